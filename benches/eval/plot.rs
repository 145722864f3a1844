//! Panels of curves as SVG: detection against challenge, one panel for each type of attack.
//! May use: measures.
//! Must not: depend on fonts or scripts of the reader.

use std::fmt::Write;

use crate::measure::{KNOWN, Scored};

/// Colours that differ for everybody (Okabe and Ito).
const COLOURS: [&str; 5] = ["#d55e00", "#999999", "#56b4e9", "#009e73", "#0072b2"];

const WIDTH: f64 = 230.0;
const HEIGHT: f64 = 200.0;
const MARGIN: f64 = 34.0;
const COLUMNS: usize = 4;

/// How challenge rates lie along a panel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Axis {
    /// From 0 to 1: the receiver operating characteristic.
    Linear,
    /// From 0.1 % to 100 %, where operators live.
    Log,
}

impl Axis {
    /// Where a rate lies, from 0 to 1.
    fn place(self, rate: f64) -> f64 {
        match self {
            Self::Linear => rate,
            Self::Log => (rate.max(0.001).log10() + 3.0) / 3.0,
        }
    }

    const fn ticks(self) -> [(f64, &'static str); 4] {
        match self {
            Self::Linear => [(0.0, "0"), (0.25, ".25"), (0.5, ".5"), (1.0, "1")],
            Self::Log => [
                (0.001, ".1 %"),
                (0.01, "1 %"),
                (0.1, "10 %"),
                (1.0, "100 %"),
            ],
        }
    }
}

/// All panels of a file. The first scorer lies on top.
pub(crate) fn panels(scored: &[(&str, Scored<'_>)], axis: Axis) -> String {
    let data = scored[0].1.data;
    let shown: Vec<u32> = scored[0].1.detections(KNOWN).into_keys().collect();
    let rows = shown.len().div_ceil(COLUMNS).max(1);
    let (width, height) = (WIDTH * COLUMNS as f64, HEIGHT * rows as f64 + 24.0);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"sans-serif\" font-size=\"9\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    for (index, (name, _)) in scored.iter().enumerate() {
        let x = 10.0 + 150.0 * index as f64;
        let colour = COLOURS[index % COLOURS.len()];
        let _ = writeln!(
            svg,
            "<line x1=\"{x}\" y1=\"12\" x2=\"{}\" y2=\"12\" stroke=\"{colour}\" stroke-width=\"2\"/>\
             <text x=\"{}\" y=\"15\">{name}</text>",
            x + 20.0,
            x + 25.0
        );
    }
    for (place, attack) in shown.iter().enumerate() {
        let left = WIDTH * (place % COLUMNS) as f64 + MARGIN;
        let top = HEIGHT * (place / COLUMNS) as f64 + MARGIN + 6.0;
        let (wide, high) = (WIDTH - MARGIN - 12.0, HEIGHT - 2.0 * MARGIN);
        frame(
            &mut svg,
            (left, top, wide, high),
            axis,
            &data.attacks[*attack as usize],
        );
        for (index, (_, scored)) in scored.iter().enumerate().rev() {
            let points: String = curve(scored, *attack, axis)
                .into_iter()
                .map(|(x, y)| format!("{:.1},{:.1} ", left + x * wide, top + (1.0 - y) * high))
                .collect();
            let colour = COLOURS[index % COLOURS.len()];
            let _ = writeln!(
                svg,
                "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\" points=\"{points}\"/>"
            );
        }
    }
    svg += "</svg>\n";
    svg
}

fn frame(svg: &mut String, (left, top, wide, high): (f64, f64, f64, f64), axis: Axis, name: &str) {
    let _ = writeln!(
        svg,
        "<rect x=\"{left}\" y=\"{top}\" width=\"{wide}\" height=\"{high}\" fill=\"none\" stroke=\"#ccc\"/>\
         <text x=\"{left}\" y=\"{}\" font-weight=\"bold\">{name}</text>",
        top - 5.0
    );
    for (rate, label) in axis.ticks() {
        let x = left + axis.place(rate) * wide;
        let _ = writeln!(
            svg,
            "<text x=\"{x}\" y=\"{}\" text-anchor=\"middle\">{label}</text>",
            top + high + 11.0
        );
    }
    for share in [0.0, 0.5, 1.0] {
        let y = top + (1.0 - share) * high;
        let _ = writeln!(
            svg,
            "<line x1=\"{left}\" y1=\"{y}\" x2=\"{}\" y2=\"{y}\" stroke=\"#eee\"/>\
             <text x=\"{}\" y=\"{}\" text-anchor=\"end\">{share}</text>",
            left + wide,
            left - 3.0,
            y + 3.0
        );
    }
}

/// Detection along the axis at a hundred challenge rates.
fn curve(scored: &Scored<'_>, attack: u32, axis: Axis) -> Vec<(f64, f64)> {
    let (attacks, machine) = scored.attack(attack, KNOWN);
    let legitimate = scored.legitimate(machine, KNOWN);
    let mut falling: Vec<_> = attacks.into_iter().map(|(_, score)| score).collect();
    falling.sort_by(|a, b| b.total_cmp(a));
    let share = |scores: &[f64], threshold: f64| {
        let over = scores.partition_point(|score| *score >= threshold);
        over as f64 / scores.len().max(1) as f64
    };
    let mut points = vec![(0.0, 0.0)];
    for step in 0..=100 {
        let place = f64::from(step) / 100.0;
        let rate = match axis {
            Axis::Linear => place,
            Axis::Log => 10_f64.powi(-3) * 10_f64.powf(3.0 * place),
        };
        let index =
            ((rate * legitimate.len() as f64) as usize).min(legitimate.len().saturating_sub(1));
        let Some(threshold) = legitimate.get(index) else {
            continue;
        };
        points.push((
            axis.place(share(&legitimate, *threshold)),
            share(&falling, *threshold),
        ));
    }
    points.push((1.0, 1.0));
    if axis == Axis::Log {
        points.remove(0);
    }
    points
}
