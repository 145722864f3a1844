//! `stepgate schema`: what a policy may say, for editors and for people.
//! May use: the policy's own types and the tables of reasons.
//! Must not: say anything the types and tables do not.

use clap::Args;
use stepgate::policy::PolicyConfig;

use super::{Failure, print, reference};

/// Print the JSON Schema of the policy, or the reference pages made from the same source
#[derive(Debug, Args)]
pub(crate) struct Schema {
    /// Print the configuration reference as Markdown
    #[arg(long, conflicts_with = "reasons")]
    markdown: bool,
    /// Print the table of reasons as Markdown
    #[arg(long)]
    reasons: bool,
}

impl Schema {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        print(&if self.markdown {
            reference::configuration()
        } else if self.reasons {
            reference::reasons()
        } else {
            json()?
        })
    }
}

fn json() -> Result<String, Failure> {
    let schema = schemars::schema_for!(PolicyConfig);
    let mut text = serde_json::to_string_pretty(&schema).map_err(Failure::new)?;
    text.push('\n');
    Ok(text)
}
