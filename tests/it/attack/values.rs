//! Values of secrets, as people have them: random enough that no part of one is found by chance.

use super::Random;

const TOKEN: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const BASE64: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const PASSWORD: &str =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";
const UNICODE: &str = "abcdefghijklmnopqrstuvwxyz0123456789äöüßéèñçøåđłžşĀ中文字密码鍵🔑😀";

/// One value of any kind.
pub(super) fn any(random: &mut Random) -> Vec<u8> {
    match random.below(8) {
        0 => short(random),
        1 | 2 => token(random),
        3 | 4 => password(random).into_bytes(),
        5 => phrase(random).into_bytes(),
        6 => unicode(random).into_bytes(),
        _ => key(random).into_bytes(),
    }
}

/// 4 to 7 bytes: masked only as it is.
pub(super) fn short(random: &mut Random) -> Vec<u8> {
    let length = random.between(4, 7);
    random.text(length, PASSWORD).into_bytes()
}

/// A token, some with the prefix of a well-known service.
pub(super) fn token(random: &mut Random) -> Vec<u8> {
    let prefix = *random.pick(&["", "ghp_", "glpat-", "xoxb-", "sk_live_", "AKIA"]);
    let length = random.between(12, 60 - prefix.len());
    format!("{prefix}{}", random.text(length, TOKEN)).into_bytes()
}

/// A password with every special character that can be typed.
pub(super) fn password(random: &mut Random) -> String {
    let length = random.between(8, 60);
    random.text(length, PASSWORD)
}

/// Words with spaces between.
fn phrase(random: &mut Random) -> String {
    let words: Vec<String> = (0..random.between(3, 6))
        .map(|_| {
            let length = random.between(3, 8);
            random.text(length, TOKEN)
        })
        .collect();
    words.join(" ")
}

fn unicode(random: &mut Random) -> String {
    let length = random.between(8, 24);
    random.text(length, UNICODE)
}

/// A key of several lines.
pub(super) fn key(random: &mut Random) -> String {
    let end = *random.pick(&["\n", "\n", "\r\n"]);
    let width = random.between(16, 64);
    let mut lines = vec!["-----BEGIN PRIVATE KEY-----".to_owned()];
    lines.extend((0..random.between(2, 5)).map(|_| random.text(width, BASE64)));
    let length = random.between(8, width);
    lines.push(random.text(length, BASE64));
    lines.push("-----END PRIVATE KEY-----".to_owned());
    lines.join(end)
}
