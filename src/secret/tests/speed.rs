//! How fast it is: `cargo test --release -- --ignored --nocapture redaction_speed`.

use std::time::Instant;

use super::redactor;

#[test]
#[ignore = "a measurement"]
fn redaction_speed() {
    let values: Vec<String> = (0..20).map(|n| format!("ghp_{:036}", n * 7_919_777_u64 * 1_000_003)).collect();
    let values: Vec<&[u8]> = values.iter().map(String::as_bytes).collect();
    let start = Instant::now();
    let tokens = redactor(&values);
    println!("20 tokens built in {:?}: {tokens:?}", start.elapsed());
    let pem: String = (0..30).map(|n| format!("{:064}\n", n * 7_919_777_u64)).collect();
    let mixed = redactor(&[&values[..], &[pem.as_bytes(), b"true"]].concat());
    let big: Vec<u8> = (0..65_536_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let start = Instant::now();
    let large = redactor(&[&big]);
    println!("64 KiB built in {:?}: {large:?}", start.elapsed());
    let source = include_str!("../automaton.rs").repeat(8000);
    let letters = "ghp_0000".repeat(4_000_000);
    for (what, redactor) in [("20 tokens", &tokens), ("mixed", &mixed), ("64 KiB", &large)] {
        for (text, bytes, size) in
            [("source", &source, 8192), ("source", &source, 1), ("beginnings", &letters, 8192)]
        {
            let start = Instant::now();
            let mut stream = redactor.stream();
            let shown: usize =
                bytes.as_bytes().chunks(size).map(|chunk| stream.push(chunk).as_bytes().len()).sum();
            let rate = bytes.len() as f64 / start.elapsed().as_secs_f64() / 1e6;
            println!("{what}, {text}, chunks of {size}: {rate:.0} MB/s, {shown} shown");
        }
    }
}
