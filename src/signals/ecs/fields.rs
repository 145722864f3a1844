//! The names of all fields of an event, and the objects that may nest them.
//! May use: std only. Must not: know values.
//! Reading and writing both take their names from here.

macro_rules! fields {
    ($($field:ident $name:literal;)*) => {
        /// A field of an event.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Field {
            $($field),*
        }

        impl Field {
            /// How many there are.
            pub(super) const COUNT: usize = [$($name),*].len();

            /// Its dotted name.
            pub(super) fn name(self) -> &'static str {
                match self {
                    $(Self::$field => $name),*
                }
            }

            /// Its name as most tools write it in a line: in quotes, with the colon.
            pub(super) fn key(self) -> &'static str {
                match self {
                    $(Self::$field => concat!("\"", $name, "\":")),*
                }
            }

            /// The field of a dotted name.
            pub(super) fn of(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$field),)*
                    _ => None,
                }
            }

            #[cfg(test)]
            pub(super) const ALL: &[Self] = &[$(Self::$field),*];
        }
    };
}

fields! {
    Time "@timestamp";
    Id "event.id";
    Action "event.action";
    Outcome "event.outcome";
    User "user.id";
    Roles "user.roles";
    Ip "source.ip";
    Asn "source.as.number";
    Country "source.geo.country_iso_code";
    City "source.geo.city_name";
    Lat "source.geo.location.lat";
    Lon "source.geo.location.lon";
    Agent "user_agent.original";
    AgentName "user_agent.name";
    AgentVersion "user_agent.version";
    OsName "user_agent.os.name";
    OsVersion "user_agent.os.version";
    Device "user_agent.device.name";
    Ja3 "tls.client.ja3";
    Ja4 "tls.client.ja4";
    Method "http.request.method";
    Path "url.path";
    Status "http.response.status_code";
    Bytes "http.response.body.bytes";
    ClientId "oauth.client_id";
    GrantType "oauth.grant_type";
    Session "session.id";
    Token "token.id";
    TokenIat "token.iat";
    TokenExp "token.exp";
    TokenAuthTime "token.auth_time";
    TokenAcr "token.acr";
    TokenAmr "token.amr";
    TokenScope "token.scope";
    Kind "identity.kind";
    Group "identity.group";
    Attack "labels.attack";
    Persona "labels.persona";
}

/// The object of a dotted name, if known fields lie below it.
pub(super) fn object(name: &str) -> Option<&'static str> {
    const OBJECTS: [&str; 21] = [
        "event",
        "user",
        "source",
        "source.as",
        "source.geo",
        "source.geo.location",
        "user_agent",
        "user_agent.os",
        "user_agent.device",
        "tls",
        "tls.client",
        "url",
        "http",
        "http.request",
        "http.response",
        "http.response.body",
        "oauth",
        "session",
        "token",
        "identity",
        "labels",
    ];
    OBJECTS.iter().find(|object| **object == name).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_parent_of_a_field_is_an_object() {
        for field in Field::ALL {
            assert_eq!(Field::of(field.name()), Some(*field));
            let mut name = field.name();
            while let Some((parent, _)) = name.rsplit_once('.') {
                assert_eq!(object(parent), Some(parent));
                name = parent;
            }
        }
    }
}
