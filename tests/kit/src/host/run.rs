//! How a VM is put together and called; the end of streams; the answers to callouts.
//! May use wasmi and the other parts of the host.
//! Must not hold state of its own.

use super::*;

impl Host {
    /// The access log phase of the current stream.
    pub fn log(&mut self) -> Result<(), Trap> {
        let id = self.stream;
        self.call_in(Phase::Log, id, "proxy_on_log", &[]).map(drop)
    }

    /// The access log phase of a stream the proxy refused before any filter saw it.
    pub fn log_unseen<N: AsRef<[u8]>, V: AsRef<[u8]>>(
        &mut self,
        headers: &[(N, V)],
    ) -> Result<(), Trap> {
        self.stream = self.context(self.root)?;
        self.current().request.headers = Headers::lower(headers);
        self.log()
    }

    /// Ends the current stream. `false`: the filter wants to be asked again.
    pub fn done(&mut self) -> Result<bool, Trap> {
        let id = self.stream;
        let done = self.call_in(Phase::Other, id, "proxy_on_done", &[])? != Some(0);
        if done {
            self.call_in(Phase::Other, id, "proxy_on_delete", &[])?;
            self.current().ended = true;
        }
        Ok(done)
    }

    /// Logs and ends the current stream.
    pub fn finish(&mut self) -> Result<(), Trap> {
        self.log()?;
        self.done().map(drop)
    }

    /// Answers a callout. No headers at all means the call was reset.
    pub fn answer<N: AsRef<[u8]>, V: AsRef<[u8]>>(
        &mut self,
        token: u32,
        headers: &[(N, V)],
        body: impl AsRef<[u8]>,
    ) -> Result<(), Trap> {
        let answer = Message {
            headers: Headers::lower(headers),
            body: body.as_ref().to_vec(),
            ..Message::default()
        };
        let sizes = [answer.headers.0.len() as i32, answer.body.len() as i32];
        let state = self.state_mut();
        let calls = state.calls.iter_mut();
        let context = calls
            .filter(|call| call.token == token)
            .map(|call| {
                call.answered = true;
                call.context
            })
            .next()
            .unwrap_or_else(|| panic!("there is no callout {token}"));
        state.answer = Some(answer);
        let arguments = [token as i32, sizes[0], sizes[1], 0];
        let result = self.call_in(
            Phase::Stream,
            context,
            "proxy_on_http_call_response",
            &arguments,
        );
        self.state_mut().answer = None;
        result.map(drop)
    }

    /// The instructions run since this was last asked, as wasmi weighs them; 0 where they are not counted.
    pub fn spent(&mut self) -> u64 {
        const TANK: u64 = u64::MAX / 2;
        let spent = self.store.get_fuel().map(|left| TANK.saturating_sub(left));
        let _not_metered = self.store.set_fuel(TANK);
        spent.unwrap_or_default()
    }

    /// The memory the VM has taken, in bytes; it never gives any back.
    pub fn memory(&self) -> usize {
        let memory = self
            .instance
            .and_then(|instance| instance.get_memory(&self.store, "memory"));
        memory.map_or(0, |memory| memory.data(&self.store).len())
    }

    /// The memory itself.
    pub fn memory_mut(&mut self) -> &mut [u8] {
        let memory = self
            .instance
            .and_then(|instance| instance.get_memory(&self.store, "memory"));
        memory.map_or(&mut [], |memory| memory.data_mut(&mut self.store))
    }

    /// Calls any export with `i32` arguments. `None` if there is no such export, or it returns nothing.
    pub fn call(&mut self, export: &str, arguments: &[i32]) -> Result<Option<i32>, Trap> {
        if let Some(trap) = &self.dead {
            return Err(trap.clone());
        }
        let lines = self.state().logs.len();
        self.run(export, arguments).map_err(|error| {
            let fresh = self.state().logs[lines..].iter();
            let trap = Trap {
                during: export.into(),
                cause: error.to_string(),
                logged: fresh
                    .filter(|line| line.level >= 4)
                    .map(|line| line.text.clone())
                    .collect(),
            };
            self.dead = Some(trap.clone());
            trap
        })
    }

    fn run(&mut self, export: &str, arguments: &[i32]) -> Result<Option<i32>, Error> {
        let instance = self.instance.ok_or_else(|| Error::new("not started"))?;
        let Some(function) = instance.get_func(&self.store, export) else {
            return Ok(None);
        };
        let arguments: Vec<Val> = arguments.iter().map(|value| Val::I32(*value)).collect();
        let mut results = vec![Val::I32(0); function.ty(&self.store).results().len()];
        function.call(&mut self.store, &arguments, &mut results)?;
        Ok(match results.first() {
            Some(Val::I32(value)) => Some(*value),
            _ => None,
        })
    }

    pub(super) fn call_in(
        &mut self,
        phase: Phase,
        id: u32,
        export: &str,
        arguments: &[i32],
    ) -> Result<Option<i32>, Trap> {
        let arguments: Vec<i32> = [id as i32].iter().chain(arguments).copied().collect();
        self.state_mut().active = id;
        self.state_mut().phase = phase;
        let result = self.call(export, &arguments);
        self.state_mut().phase = Phase::Other;
        result
    }

    /// Runs one callback of the current stream and does what the proxy does with its answer.
    pub(super) fn step(
        &mut self,
        opens: u32,
        export: &str,
        arguments: &[i32],
    ) -> Result<Exchange, Trap> {
        let id = self.stream;
        let body = opens == 4 || opens == 5;
        let response = matches!(opens, RESPONSE | RESPONSE_TRAILERS | 5);
        if !body {
            self.current().readable |= bit(opens);
        }
        let result = self.call_in(Phase::Stream, id, export, arguments)?;
        let action = match result {
            None | Some(0) => Action::Continue,
            Some(_) => Action::Pause,
        };
        let stream = self.current();
        let message = match response {
            true => &mut stream.response,
            false => &mut stream.request,
        };
        match action {
            Action::Pause => message.paused = true,
            Action::Continue => {
                message.resume();
                if !body {
                    stream.readable &= !bit(opens);
                }
            }
        }
        let stream = self.current().clone();
        Ok(Exchange {
            id,
            action,
            request: stream.request,
            response: stream.response,
            reply: stream.reply,
        })
    }

    /// Creates a context: a root under 0, else a stream.
    pub(super) fn context(&mut self, parent: u32) -> Result<u32, Trap> {
        let id = self.next;
        self.next += 1;
        if parent == 0 {
            self.state_mut().roots.push(Root { id, tick_ms: 0 });
        } else {
            self.state_mut().streams.insert(id, Stream::default());
        }
        let arguments = [parent as i32];
        self.call_in(Phase::Other, id, "proxy_on_context_create", &arguments)?;
        Ok(id)
    }

    pub(super) fn current(&mut self) -> &mut Stream {
        let id = self.stream;
        let stream = self.state_mut().streams.get_mut(&id);
        stream.expect("no stream yet: call request() first")
    }

    pub(super) fn instantiate(&mut self) -> Result<(), Trap> {
        let mut linker = Linker::new(self.module.engine());
        for import in self.module.imports() {
            let ExternType::Func(ty) = import.ty() else {
                continue; // linking names it in its error
            };
            let (module, name) = (import.module().to_owned(), import.name().to_owned());
            let handler = match module.as_str() {
                "env" => abi::find(&name),
                "wasi_snapshot_preview1" => wasi::find(&name),
                _ => None,
            };
            let function = name.clone();
            let origin = module.clone();
            let entry = move |mut caller: wasmi::Caller<'_, State>,
                              args: &[Val],
                              results: &mut [Val]| {
                let state = caller.data_mut();
                *state.used.entry(function.clone()).or_default() += 1;
                let status = match (state.fixed.get(&function), handler) {
                    (Some(status), _) => *status,
                    (None, Some(handler)) => match handler(&mut Call { caller, args }) {
                        Ok(status) | Err(Stop::Status(status)) => status,
                        Err(Stop::Trap(error)) => return Err(error),
                    },
                    (None, None) => {
                        let message = format!("unknown import `{origin}.{function}` was called");
                        return Err(Error::new(message));
                    }
                };
                if let Some(result) = results.first_mut() {
                    *result = Val::I32(status as i32);
                }
                Ok(())
            };
            let defined = linker.func_new(&module, &name, ty.clone(), entry);
            defined.map(drop).unwrap_or_default(); // the same import twice: the first definition serves both
        }
        let instance = linker.instantiate_and_start(&mut self.store, &self.module);
        self.instance = Some(instance.map_err(|error| {
            let trap = Trap {
                during: "instantiate".into(),
                cause: error.to_string(),
                logged: Vec::new(),
            };
            self.dead = Some(trap.clone());
            trap
        })?);
        let initialize = "_initialize";
        if self.module.get_export(initialize).is_some() {
            self.call(initialize, &[])?;
            self.call("main", &[0, 0]).map(drop)
        } else {
            self.call("_start", &[]).map(drop)
        }
    }
}

/// The imports of a module as `module.name`, sorted, each once.
pub fn imports(wasm: &[u8]) -> Vec<String> {
    let module = Module::new(&Engine::default(), wasm).expect("the module is valid");
    let mut names: Vec<_> = module
        .imports()
        .map(|import| format!("{}.{}", import.module(), import.name()))
        .collect();
    names.sort();
    names.dedup();
    names
}

/// The exports of a module, sorted.
pub fn exports(wasm: &[u8]) -> Vec<String> {
    let module = Module::new(&Engine::default(), wasm).expect("the module is valid");
    let mut names: Vec<_> = module
        .exports()
        .map(|export| export.name().to_owned())
        .collect();
    names.sort();
    names
}
