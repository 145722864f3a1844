//! The API that is called: 120 route templates, roles that use some of them, and chains of calls.
//! May use: random numbers.
//! Must not: know who calls.

use super::rng::Rng;

#[rustfmt::skip]
const RESOURCES: [&str; 24] = [
    "accounts", "cards", "customers", "contracts", "devices", "documents", "employees", "events", "files", "groups", "invoices", "items",
    "messages", "notes", "orders", "payments", "projects", "reports", "shipments", "sites", "tasks", "tickets", "vehicles", "warehouses",
];

/// What administrators do, with the resource it is done to.
#[rustfmt::skip]
const ADMIN: [(&str, &str); 16] = [
    ("POST", "/admin/roles/{}/grant"), ("POST", "/admin/roles/{}/revoke"), ("GET", "/admin/roles"), ("POST", "/admin/keys"),
    ("DELETE", "/admin/keys/{}"), ("GET", "/admin/keys"), ("GET", "/admin/users"), ("POST", "/admin/users"),
    ("DELETE", "/admin/users/{}"), ("PUT", "/admin/users/{}/mfa"), ("PUT", "/admin/audit/settings"), ("GET", "/admin/audit"),
    ("PUT", "/admin/policies/{}"), ("GET", "/admin/policies"), ("PUT", "/admin/sso"), ("POST", "/admin/backups/{}/restore"),
];
const EXPORTS: u8 = 8;
const OPERATIONS: u8 = 4;
const ORDINARY: u8 = 24 * OPERATIONS;
/// All templates: list, read, create and change of every resource, exports, administration.
pub(super) const TEMPLATES: u8 = ORDINARY + EXPORTS + ADMIN.len() as u8;

/// Objects somebody works on at a time, and how often one is new.
const WORKING_SET: usize = 80;
const FRESH: f64 = 0.1;
/// How often a call follows from the one before.
const FOLLOWS: f64 = 0.5;
const ZIPF: f64 = 1.1;

/// A template by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Template(pub(super) u8);

impl Template {
    /// All administration.
    pub(super) fn admin() -> impl Iterator<Item = Self> {
        (ORDINARY + EXPORTS..TEMPLATES).map(Self)
    }

    /// Lists of resources: what somebody looks at who does not know what there is.
    pub(super) fn lists() -> impl Iterator<Item = Self> + Clone {
        (0..ORDINARY).step_by(usize::from(OPERATIONS)).map(Self)
    }

    pub(super) fn is_admin(self) -> bool {
        self.0 >= ORDINARY + EXPORTS
    }

    fn is_read_of_one(self) -> bool {
        self.0 < ORDINARY && self.0 % OPERATIONS == 1
    }

    fn parts(self) -> (&'static str, &'static str, &'static str) {
        let resource = |number: u8| {
            RESOURCES
                .get(usize::from(number) % RESOURCES.len())
                .copied()
                .unwrap_or_default()
        };
        if self.is_admin() {
            let admin = ADMIN.get(usize::from(self.0 - ORDINARY - EXPORTS));
            return admin.map_or(("GET", "", ""), |(method, path)| (method, "", path));
        }
        if self.0 >= ORDINARY {
            return ("GET", resource((self.0 - ORDINARY) * 3), "/export");
        }
        let name = resource(self.0 / OPERATIONS);
        match self.0 % OPERATIONS {
            0 => ("GET", name, ""),
            1 => ("GET", name, "/{}"),
            2 => ("POST", name, ""),
            _ => ("PUT", name, "/{}"),
        }
    }

    /// Log of the median of bytes answered.
    fn log_bytes(self) -> f64 {
        match self.0 {
            number if number >= ORDINARY && !self.is_admin() => 12.5,
            number => 6.0 + f64::from(number % 7) * 0.5,
        }
    }
}

/// One call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    pub(super) template: Template,
    pub(super) object: u32,
    pub(super) bytes: u64,
    pub(super) status: u16,
}

impl Call {
    /// A call of a template on an object, answered as such calls are.
    pub(super) fn of(template: Template, object: u32, rng: &mut Rng) -> Self {
        Self {
            template,
            object,
            bytes: rng.lognormal(template.log_bytes(), 0.8) as u64,
            status: 200,
        }
    }

    /// The same, refused for want of a right.
    pub(super) fn forbidden(self) -> Self {
        Self {
            status: 403,
            bytes: 97,
            ..self
        }
    }

    pub(super) fn method(&self) -> &'static str {
        self.template.parts().0
    }

    pub(super) fn path(&self) -> String {
        let (_, resource, rest) = self.template.parts();
        let rest = rest.replace("{}", &self.object.to_string());
        if resource.is_empty() {
            rest
        } else {
            format!("/v1/{resource}{rest}")
        }
    }
}

/// What somebody does with the API: some templates, the most used first, and the objects worked on.
#[derive(Clone, Debug)]
pub(super) struct Role {
    templates: Vec<Template>,
    objects: Vec<u32>,
    last: usize,
}

impl Role {
    /// One of a dozen roles of 12 to 40 templates, with objects of its own; every sixth role administers.
    pub(super) fn new(role: u64, seed: u64, rng: &mut Rng) -> Self {
        let mut of_role = Rng::new(seed, 0xa0_0000 + role);
        let size = of_role.whole(12, 40);
        let mut templates: Vec<Template> = Vec::with_capacity(size);
        if role.is_multiple_of(6) {
            templates.extend(Template::admin().filter(|_| of_role.chance(0.4)));
        }
        while templates.len() < size {
            let template = Template(of_role.below(usize::from(ORDINARY + EXPORTS)) as u8);
            if !templates.contains(&template) {
                templates.push(template);
            }
        }
        Self {
            templates,
            objects: (0..WORKING_SET).map(|_| object(rng)).collect(),
            last: 0,
        }
    }

    /// The next call of the chain.
    pub(super) fn call(&mut self, rng: &mut Rng) -> Call {
        self.last = if rng.chance(FOLLOWS) {
            (self.last * 7 + 3) % self.templates.len().max(1)
        } else {
            rng.zipf(self.templates.len(), ZIPF)
        };
        let template = self
            .templates
            .get(self.last)
            .copied()
            .unwrap_or(Template(0));
        let place = rng.below(WORKING_SET);
        if let Some(known) = self.objects.get_mut(place)
            && rng.chance(FRESH)
        {
            *known = object(rng);
        }
        let object = self.objects.get(place).copied().unwrap_or_default();
        Call::of(template, object, rng)
    }

    /// The template through which most data leaves unseen, of those somebody uses: an export, else the read of an object.
    pub(super) fn outlet(used: impl Iterator<Item = Template> + Clone) -> Template {
        used.clone()
            .find(|template| template.0 >= ORDINARY && !template.is_admin())
            .or_else(|| used.clone().find(|template| template.is_read_of_one()))
            .unwrap_or(Template(1))
    }
}

fn object(rng: &mut Rng) -> u32 {
    10_000 + rng.below(990_000) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_120_different_routes() {
        assert_eq!(TEMPLATES, 120);
        let mut rng = Rng::new(1, 1);
        let names: std::collections::BTreeSet<_> = (0..TEMPLATES)
            .map(|number| Call::of(Template(number), 5, &mut rng))
            .map(|call| (call.method(), call.path()))
            .collect();
        assert_eq!(names.len(), usize::from(TEMPLATES));
        assert!(names.contains(&("GET", "/v1/accounts/5".to_owned())));
        assert!(names.contains(&("POST", "/admin/roles/5/grant".to_owned())));
        assert_eq!(Template::lists().count(), 24);
    }

    #[test]
    fn a_role_keeps_to_its_templates() {
        let mut rng = Rng::new(2, 2);
        for number in 0..12 {
            let mut role = Role::new(number, 9, &mut rng);
            for _ in 0..200 {
                let call = role.call(&mut rng);
                assert!(role.templates.contains(&call.template));
            }
        }
    }
}
