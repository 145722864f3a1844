//! Tests of the table of countries: every entry must be plausible from two sides.

use super::*;

fn country(code: &str) -> Point {
    let code: [u8; 2] = code.as_bytes().try_into().unwrap();
    point(code).unwrap_or_else(|| panic!("{code:?} is known"))
}

fn spot(lat: f64, lon: f64) -> Point {
    Point {
        lat,
        lon,
        radius_km: 0.0,
    }
}

#[test]
fn codes_are_sorted_and_unique() {
    assert!(COUNTRIES.is_sorted_by(|a, b| a.0 < b.0));
    assert!(
        COUNTRIES
            .iter()
            .all(|row| row.0.iter().all(u8::is_ascii_uppercase))
    );
}

#[test]
fn every_country_holds_its_principal_city() {
    let mut seen = 0;
    for line in include_str!("../../tests/fixtures/country_cities.tsv")
        .lines()
        .skip(1)
    {
        let [code, lat, lon, city] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("four columns: {line}")
        };
        let place = country(code);
        let away = distance_km(place, spot(lat.parse().unwrap(), lon.parse().unwrap()));
        assert!(
            away <= place.radius_km,
            "{city} lies {away:.0} km from the middle of {code}"
        );
        seen += 1;
    }
    // Two islands nobody lives on have no city.
    assert_eq!(seen, COUNTRIES.len() - 2);
}

#[test]
fn neighbours_are_as_far_apart_as_on_the_map() {
    for (a, b, least, most) in [
        ("AD", "ES", 250.0, 600.0),
        ("AE", "OM", 300.0, 600.0),
        ("AR", "CL", 450.0, 900.0),
        ("AT", "HU", 300.0, 500.0),
        ("AU", "NZ", 3200.0, 4400.0),
        ("BE", "NL", 120.0, 260.0),
        ("BR", "AR", 2600.0, 3400.0),
        ("CA", "US", 1600.0, 2600.0),
        ("CH", "LI", 70.0, 160.0),
        ("CN", "MN", 900.0, 1500.0),
        ("CZ", "SK", 250.0, 420.0),
        ("DE", "PL", 500.0, 750.0),
        ("DK", "SE", 650.0, 1000.0),
        ("DO", "HT", 130.0, 280.0),
        ("EE", "LV", 130.0, 300.0),
        ("EG", "LY", 1000.0, 1400.0),
        ("ES", "PT", 330.0, 520.0),
        ("FR", "DE", 600.0, 900.0),
        ("GB", "IE", 280.0, 460.0),
        ("GH", "TG", 170.0, 320.0),
        ("GT", "SV", 220.0, 380.0),
        ("IL", "JO", 80.0, 220.0),
        ("IN", "PK", 1100.0, 1600.0),
        ("IT", "SM", 90.0, 260.0),
        ("JP", "KR", 750.0, 1100.0),
        ("KE", "UG", 500.0, 750.0),
        ("KP", "KR", 350.0, 520.0),
        ("LT", "LV", 120.0, 260.0),
        ("MX", "GT", 1350.0, 1800.0),
        ("MY", "SG", 650.0, 850.0),
        ("NO", "SE", 150.0, 400.0),
        ("PE", "EC", 800.0, 1150.0),
        ("RU", "KZ", 1900.0, 2800.0),
        ("RS", "XK", 130.0, 260.0),
        ("SN", "GM", 90.0, 200.0),
        ("TH", "LA", 350.0, 600.0),
        ("TR", "GR", 950.0, 1250.0),
        ("UA", "MD", 220.0, 420.0),
        ("ZA", "LS", 230.0, 420.0),
        ("ZM", "ZW", 550.0, 750.0),
    ] {
        let apart = distance_km(country(a), country(b));
        assert!(
            (least..=most).contains(&apart),
            "{a} and {b} lie {apart:.0} km apart"
        );
    }
}

#[test]
fn distances_match_known_routes() {
    let (oslo, new_york) = (spot(59.9139, 10.7522), spot(40.7128, -74.0060));
    assert!((distance_km(oslo, new_york) - 5913.0).abs() < 15.0);
    let (suva, apia) = (spot(-18.14, 178.44), spot(-13.83, -171.77));
    assert!(
        (distance_km(suva, apia) - 1146.0).abs() < 25.0,
        "across the date line"
    );
    assert!(distance_km(oslo, oslo) == 0.0);
}

#[test]
fn radii_grow_with_the_land() {
    for code in ["RU", "CA", "CN", "US", "BR", "AU"] {
        assert!(
            (2000.0..=4500.0).contains(&country(code).radius_km),
            "{code}"
        );
    }
    for code in ["VA", "MC", "SM", "NR", "GI", "MO"] {
        assert!(country(code).radius_km < 15.0, "{code}");
    }
    assert!(COUNTRIES.iter().all(|row| row.3 >= 2 && row.3 <= 4300));
}

#[test]
fn codes_of_no_place_have_none() {
    for code in [
        *b"EU",
        *b"EE",
        *b"XX",
        *b"A1",
        *b"no",
        *b"UK",
        *b"T1",
        [0, 255],
    ] {
        assert_eq!(point(code).is_some(), code == *b"EE", "{code:?}");
    }
}

#[cfg(not(target_family = "wasm"))]
mod properties {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn distance_is_symmetric_and_bounded(
            a in (-90.0..=90.0, -180.0..=180.0), b in (-90.0..=90.0, -180.0..=180.0),
        ) {
            let (a, b) = (spot(a.0, a.1), spot(b.0, b.1));
            let there = distance_km(a, b);
            prop_assert!((there - distance_km(b, a)).abs() < 1e-6);
            prop_assert!((0.0..=EARTH_KM * std::f64::consts::PI + 1e-6).contains(&there));
        }
    }
}
