//! Writing an event: one flat object with dotted keys, in the order of the struct, absent fields left out.
//! May use: std and serde. Must not: drop what was read.
//! A time is written in the form it was read in, so that output can be joined with its input.

use super::fields::Field;
use super::{Event, TimeForm, rfc3339};
use serde::ser::{Serialize, SerializeMap, Serializer};

impl Serialize for Event<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match self.time_form {
            TimeForm::Rfc3339 => map.serialize_entry(Field::Time.name(), &rfc3339(self.time))?,
            TimeForm::Epoch => map.serialize_entry(Field::Time.name(), &self.time)?,
        }
        entry(&mut map, Field::Id, &self.id)?;
        entry(&mut map, Field::Action, &self.action)?;
        entry(
            &mut map,
            Field::Outcome,
            &self.outcome.map(super::Outcome::as_str),
        )?;
        entry(&mut map, Field::User, &self.user)?;
        list(&mut map, Field::Roles, &self.roles)?;
        entry(&mut map, Field::Ip, &self.ip)?;
        entry(&mut map, Field::Asn, &self.asn)?;
        entry(&mut map, Field::Country, &self.country)?;
        entry(&mut map, Field::City, &self.city)?;
        entry(&mut map, Field::Lat, &self.lat)?;
        entry(&mut map, Field::Lon, &self.lon)?;
        entry(&mut map, Field::Agent, &self.agent)?;
        entry(&mut map, Field::AgentName, &self.agent_name)?;
        entry(&mut map, Field::AgentVersion, &self.agent_version)?;
        entry(&mut map, Field::OsName, &self.os_name)?;
        entry(&mut map, Field::OsVersion, &self.os_version)?;
        entry(&mut map, Field::Device, &self.device)?;
        entry(&mut map, Field::Ja3, &self.ja3)?;
        entry(&mut map, Field::Ja4, &self.ja4)?;
        entry(&mut map, Field::Method, &self.method)?;
        entry(&mut map, Field::Path, &self.path)?;
        entry(&mut map, Field::Status, &self.status)?;
        entry(&mut map, Field::Bytes, &self.bytes)?;
        entry(&mut map, Field::ClientId, &self.client_id)?;
        entry(&mut map, Field::GrantType, &self.grant_type)?;
        entry(&mut map, Field::Session, &self.session)?;
        entry(&mut map, Field::Token, &self.token)?;
        entry(&mut map, Field::TokenIat, &self.token_iat)?;
        entry(&mut map, Field::TokenExp, &self.token_exp)?;
        entry(&mut map, Field::TokenAuthTime, &self.token_auth_time)?;
        entry(&mut map, Field::TokenAcr, &self.token_acr)?;
        list(&mut map, Field::TokenAmr, &self.token_amr)?;
        list(&mut map, Field::TokenScope, &self.token_scope)?;
        entry(&mut map, Field::Kind, &self.kind.map(super::Kind::as_str))?;
        entry(&mut map, Field::Group, &self.group)?;
        entry(&mut map, Field::Attack, &self.attack)?;
        entry(&mut map, Field::Persona, &self.persona)?;
        map.end()
    }
}

fn entry<M: SerializeMap>(
    map: &mut M,
    field: Field,
    value: &Option<impl Serialize>,
) -> Result<(), M::Error> {
    match value {
        Some(value) => map.serialize_entry(field.name(), value),
        None => Ok(()),
    }
}

fn list<M: SerializeMap>(
    map: &mut M,
    field: Field,
    values: &[impl Serialize],
) -> Result<(), M::Error> {
    if values.is_empty() {
        return Ok(());
    }
    map.serialize_entry(field.name(), values)
}
