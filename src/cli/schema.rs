//! `stepgate schema`: what a policy may say, for editors and for people.
//! May use: the policy's own types and the tables of reasons.
//! Must not: say anything the types and tables do not.

use clap::Args;
use stepgate::policy::PolicyConfig;

use super::{Failure, metrics_page, print, reference};

/// Print the JSON Schema of the policy, or the reference pages made from the same source
#[derive(Debug, Args)]
pub(crate) struct Schema {
    /// Print the configuration reference as Markdown
    #[arg(long, conflicts_with_all = ["reasons", "metrics"])]
    markdown: bool,
    /// Print the table of reasons as Markdown
    #[arg(long, conflicts_with = "metrics")]
    reasons: bool,
    /// Print the table of metrics as Markdown
    #[arg(long)]
    metrics: bool,
}

impl Schema {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        print(&if self.markdown {
            reference::configuration()
        } else if self.reasons {
            reference::reasons()
        } else if self.metrics {
            metrics_page::page()
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
