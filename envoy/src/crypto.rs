//! Holds the crypto provider that asks the host first: it verifies RS256 forty times faster than wasm can.
//! May use jsonwebtoken's provider interface and a host call given as a function; RustCrypto answers where the host cannot.
//! Must not decide which key or algorithm is right, nor take "the host cannot" for "the signature is bad".

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use jsonwebtoken::crypto::{CryptoProvider, JwtVerifier};
use jsonwebtoken::errors::Result;
use jsonwebtoken::signature::{Error, Verifier};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey};
use stepgate::token::{SOFTWARE, ecdsa_signature_der, public_key_der, verifying};

/// Calls a foreign function of the host: its name, its arguments; what it returns, or the status it failed with.
pub(crate) type ForeignFunction = fn(&str, &[u8]) -> std::result::Result<Vec<u8>, u32>;

/// The host has no foreign function of this name.
const NOT_FOUND: u32 = 1;
/// The host has no foreign functions at all.
const UNIMPLEMENTED: u32 = 12;

static HOST: OnceLock<ForeignFunction> = OnceLock::new();
static HOST_LACKS_IT: AtomicBool = AtomicBool::new(false);

static PROVIDER: CryptoProvider = verifying(verifier);

/// Keys kept in the host's form. Issuers have fewer; more take turns.
const WRITTEN_KEYS: usize = 16;

thread_local! {
    /// The newest last: writing one anew for every token costs more than finding it.
    static WRITTEN: RefCell<Vec<Rc<WrittenKey>>> = const { RefCell::new(Vec::new()) };
}

/// A key, and the same in the host's form: `SubjectPublicKeyInfo` in DER.
struct WrittenKey {
    key: DecodingKey,
    der: Vec<u8>,
}

/// Makes every signature from here on go to the host first. Only the first call in the life of the VM counts; later ones change nothing.
pub(crate) fn install(call: ForeignFunction) {
    let _ = HOST.set(call);
    let _ = PROVIDER.install_default();
}

/// Whether signatures still go to the host: false before `install`, and once the host said that it has no such function.
pub(crate) fn host_verifies() -> bool {
    HOST.get().is_some() && !HOST_LACKS_IT.load(Relaxed)
}

/// A key as the host reads it; `None` for a shared secret and an Ed25519 key.
fn written(key: &DecodingKey) -> Option<Rc<WrittenKey>> {
    let bytes = key.try_get_as_bytes().ok()?;
    WRITTEN.with_borrow_mut(|known| {
        let same = |other: &DecodingKey| {
            other.family() == key.family()
                && other.try_get_as_bytes().is_ok_and(|other| other == bytes)
        };
        if let Some(written) = known.iter().find(|written| same(&written.key)) {
            return Some(Rc::clone(written));
        }
        let written = Rc::new(WrittenKey {
            der: public_key_der(key)?,
            key: key.clone(),
        });
        if known.len() == WRITTEN_KEYS {
            known.remove(0);
        }
        known.push(Rc::clone(&written));
        Some(written)
    })
}

fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>> {
    let call = HOST.get().filter(|_| host_verifies());
    match (call, hash(*algorithm, key), written(key)) {
        (Some(call), Some(hash), Some(key)) => Ok(Box::new(HostFirst {
            call: *call,
            hash,
            algorithm: *algorithm,
            key,
        })),
        _ => (SOFTWARE.verifier_factory)(algorithm, key),
    }
}

/// The hash of an algorithm that the host knows, if the key is one of that algorithm: the host tells them apart by the key alone.
fn hash(algorithm: Algorithm, key: &DecodingKey) -> Option<&'static str> {
    let point = key.try_get_as_bytes().map_or(0, <[u8]>::len);
    match (algorithm, key.family(), point) {
        (Algorithm::RS256, AlgorithmFamily::Rsa, _) => Some("sha256"),
        (Algorithm::RS384, AlgorithmFamily::Rsa, _) => Some("sha384"),
        (Algorithm::RS512, AlgorithmFamily::Rsa, _) => Some("sha512"),
        (Algorithm::ES256, AlgorithmFamily::Ec, 65) => Some("sha256"),
        (Algorithm::ES384, AlgorithmFamily::Ec, 97) => Some("sha384"),
        _ => None,
    }
}

/// A verifier that asks the host, and RustCrypto where the host has no answer.
struct HostFirst {
    call: ForeignFunction,
    hash: &'static str,
    algorithm: Algorithm,
    key: Rc<WrittenKey>,
}

impl Verifier<Vec<u8>> for HostFirst {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> std::result::Result<(), Error> {
        let answer = if self.algorithm.family() == AlgorithmFamily::Ec {
            let signature = ecdsa_signature_der(signature).ok_or_else(Error::new)?;
            ask(self.call, self.hash, &self.key.der, &signature, message)
        } else {
            ask(self.call, self.hash, &self.key.der, signature, message)
        };
        match answer {
            Some(true) => Ok(()),
            Some(false) => Err(Error::new()),
            None => {
                let pure = (SOFTWARE.verifier_factory)(&self.algorithm, &self.key.key);
                pure.map_err(|_| Error::new())?.verify(message, signature)
            }
        }
    }
}

impl JwtVerifier for HostFirst {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

/// What Envoy's `verify_signature` says; `None` where it cannot say: no such function, a key or a hash it does not know.
fn ask(
    call: ForeignFunction,
    hash: &str,
    public_key: &[u8],
    signature: &[u8],
    text: &[u8],
) -> Option<bool> {
    let mut arguments =
        Vec::with_capacity(hash.len() + public_key.len() + signature.len() + text.len() + 24);
    // envoy.source.extensions.common.wasm.VerifySignatureArguments
    for (tag, bytes) in [
        (0x0a, hash.as_bytes()),
        (0x12, public_key),
        (0x1a, signature),
        (0x22, text),
    ] {
        arguments.push(tag);
        write_length(&mut arguments, bytes.len());
        arguments.extend_from_slice(bytes);
    }
    match call("verify_signature", &arguments) {
        Ok(result) => read_result(&result),
        Err(NOT_FOUND | UNIMPLEMENTED) => {
            HOST_LACKS_IT.store(true, Relaxed);
            None
        }
        Err(_) => None,
    }
}

fn write_length(out: &mut Vec<u8>, mut length: usize) {
    while length >= 0x80 {
        // The low seven bits and the bit that says "more".
        out.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
}

/// Reads a `VerifySignatureResult { bool result = 1; string error = 2 }`. A false without the error that a failed verification has
/// means that the host did not get as far as verifying. Should a host word it otherwise, RustCrypto decides: slower, not weaker.
fn read_result(mut bytes: &[u8]) -> Option<bool> {
    let (mut result, mut error) = (false, &[][..]);
    while let Some((tag, rest)) = bytes.split_first() {
        bytes = match tag {
            0x08 => {
                let (value, rest) = rest.split_first()?;
                result = match value {
                    0 => false,
                    1 => true,
                    _ => return None,
                };
                rest
            }
            0x12 => {
                let (length, rest) = read_length(rest)?;
                let (text, rest) = rest.split_at_checked(length)?;
                error = text;
                rest
            }
            _ => return None,
        };
    }
    match result {
        true => Some(true),
        false if error.starts_with(b"Failed to verify") => Some(false),
        false => None,
    }
}

/// A length of at most three bytes: no error text is longer.
fn read_length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut length = 0;
    let mut rest = bytes;
    for shift in [0, 7, 14] {
        let (byte, after) = rest.split_first()?;
        length |= usize::from(byte & 0x7f) << shift;
        rest = after;
        if byte & 0x80 == 0 {
            return Some((length, rest));
        }
    }
    None
}
