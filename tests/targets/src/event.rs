//! Event lines and tables: what is read can be written and read again, and gives signals.
//! May use the engine's events, csv as the command line uses it.
//! Must not look at labels.

use stepgate::signals::ecs::Event;
use stepgate::signals::features::Features;
use stepgate::signals::from_event::signals;
use stepgate::signals::keyed::HashKey;

pub(crate) fn run(data: &[u8]) {
    let (mode, data) = crate::split(data);
    if mode & 1 == 1 {
        table(data);
        return;
    }
    for line in data.split(|byte| *byte == b'\n') {
        match Event::parse(line) {
            Ok(event) => used(&event),
            Err(error) => {
                let said = error.to_string();
                assert!(!said.is_empty() && !said.contains('\n'), "{said:?}");
                // Of a stranger's value only the beginning is told.
                assert!(said.len() < 1024, "{} bytes", said.len());
            }
        }
    }
}

fn used(event: &Event<'_>) {
    assert!(event.time.is_finite());
    let line = event.to_line();
    assert!(!line.contains('\n'), "an event is one line");
    let again = Event::parse(line.as_bytes())
        .unwrap_or_else(|error| panic!("what is written is refused: {error}\n{line}"));
    assert_eq!(again.to_line(), line);
    let services = ["ci-*".to_owned()];
    let signals = signals(event, &services);
    let features = Features::of(&signals, &HashKey::PUBLIC);
    assert_eq!(features, Features::of(&signals, &HashKey::PUBLIC));
    if let Some(point) = features.point {
        assert!(point.lat.is_finite() && point.lon.is_finite() && point.radius_km >= 0.0);
    }
}

/// As `stepgate` reads a table: the first line names fields.
fn table(data: &[u8]) {
    let mut table = csv::ReaderBuilder::new().flexible(true).from_reader(data);
    let Ok(header) = table.headers().cloned() else {
        return;
    };
    let mut row = csv::StringRecord::new();
    while let Ok(more) = table.read_record(&mut row) {
        if !more {
            return;
        }
        let mut event = Event {
            time: f64::NAN,
            ..Event::default()
        };
        let wrong = header
            .iter()
            .zip(&row)
            .any(|(column, cell)| event.set(column, cell).is_err());
        if !wrong && !event.time.is_nan() {
            used(&event);
        }
    }
}
