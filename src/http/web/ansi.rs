//! Output of commands as HTML: colours become classes, everything else text.

use super::html::push_escaped;
use crate::view::{Colours, SafeText};

/// How text is shown: a colour is one of sixteen, which the style knows for light and dark.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Look {
    text: Option<u8>,
    ground: Option<u8>,
    is_bold: bool,
    is_faint: bool,
    is_italic: bool,
    is_underlined: bool,
    is_inverse: bool,
}

/// Appends a line of output as HTML. Of a line that was written over by carriage returns the last part is left; sequences that do
/// something else than to set colours are dropped.
pub(super) fn push_html(into: &mut String, bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let safe = SafeText::of_output(&text, Colours::Kept);
    let mut look = Look::default();
    let mut is_open = false;
    for (number, part) in safe.as_str().split('\u{1b}').enumerate() {
        let text = match part.strip_prefix('[').and_then(|rest| rest.split_once('m')) {
            Some((numbers, text)) if number > 0 => {
                look.set(numbers);
                text
            }
            _ => part,
        };
        if text.is_empty() {
            continue;
        }
        if is_open {
            into.push_str("</span>");
        }
        is_open = look != Look::default();
        if is_open {
            look.open(into);
        }
        push_escaped(into, text);
    }
    if is_open {
        into.push_str("</span>");
    }
}

impl Look {
    /// Takes the numbers of a sequence over.
    fn set(&mut self, numbers: &str) {
        let numbers = numbers.replace(':', ";");
        let mut numbers = numbers.split(';').map(|number| number.parse::<u16>().unwrap_or_default());
        while let Some(number) = numbers.next() {
            match number {
                0 => *self = Self::default(),
                1 => self.is_bold = true,
                2 => self.is_faint = true,
                3 => self.is_italic = true,
                4 => self.is_underlined = true,
                7 => self.is_inverse = true,
                22 => (self.is_bold, self.is_faint) = (false, false),
                23 => self.is_italic = false,
                24 => self.is_underlined = false,
                27 => self.is_inverse = false,
                30..=37 => self.text = Some(low(number - 30)),
                38 => self.text = extended(&mut numbers),
                39 => self.text = None,
                40..=47 => self.ground = Some(low(number - 40)),
                48 => self.ground = extended(&mut numbers),
                49 => self.ground = None,
                90..=97 => self.text = Some(low(number - 90) + 8),
                100..=107 => self.ground = Some(low(number - 100) + 8),
                _ => {}
            }
        }
    }

    fn open(self, into: &mut String) {
        into.push_str("<span class=\"");
        let (text, ground) =
            if self.is_inverse { (self.ground, self.text) } else { (self.text, self.ground) };
        let mut classes: Vec<String> = Vec::new();
        classes.extend(text.map(|colour| format!("f{colour}")));
        classes.extend(ground.map(|colour| format!("g{colour}")));
        let flags = [
            (self.is_bold, "B"),
            (self.is_faint, "D"),
            (self.is_italic, "I"),
            (self.is_underlined, "U"),
            (self.is_inverse && text.is_none() && ground.is_none(), "V"),
        ];
        classes.extend(flags.iter().filter(|(is_set, _)| *is_set).map(|(_, class)| (*class).to_owned()));
        into.push_str(&classes.join(" "));
        into.push_str("\">");
    }
}

/// A number below 8.
fn low(number: u16) -> u8 {
    u8::try_from(number % 8).unwrap_or_default()
}

/// The nearest of sixteen colours to one of 256, or to one of red, green and blue.
fn extended(numbers: &mut impl Iterator<Item = u16>) -> Option<u8> {
    let mut byte = || numbers.next().map(|number| u8::try_from(number.min(255)).unwrap_or(u8::MAX));
    match byte()? {
        5 => Some(match byte()? {
            colour @ 0..=15 => colour,
            colour @ 16..=231 => {
                let level = |part: u8| if part == 0 { 0 } else { part * 40 + 55 };
                let colour = colour - 16;
                nearest(level(colour / 36), level(colour / 6 % 6), level(colour % 6))
            }
            grey @ 232.. => {
                let level = (grey - 232) * 10 + 8;
                nearest(level, level, level)
            }
        }),
        2 => Some(nearest(byte()?, byte()?, byte()?)),
        _ => None,
    }
}

fn nearest(red: u8, green: u8, blue: u8) -> u8 {
    let most = red.max(green).max(blue);
    let least = red.min(green).min(blue);
    if most - least < 40 {
        return match most {
            0..=60 => 0,
            61..=150 => 8,
            151..=220 => 7,
            221.. => 15,
        };
    }
    let is_high = |part: u8| u8::from(u16::from(part) * 2 > u16::from(most) + u16::from(least));
    let hue = is_high(red) + 2 * is_high(green) + 4 * is_high(blue);
    if most > 200 && least > 80 { hue + 8 } else { hue }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn html(text: &str) -> String {
        let mut html = String::new();
        push_html(&mut html, text.as_bytes());
        html
    }

    #[test]
    fn colours_become_classes() {
        assert_eq!(html("a\u{1b}[1;31mred\u{1b}[0m b"), "a<span class=\"f1 B\">red</span> b");
        assert_eq!(
            html("\u{1b}[38;5;196mx\u{1b}[48;2;0;0;250my"),
            "<span class=\"f1\">x</span><span class=\"f1 g4\">y</span>"
        );
        assert_eq!(html("\u{1b}[7mx"), "<span class=\"V\">x</span>");
        assert_eq!(
            html("\u{1b}[31;7mx\u{1b}[27my"),
            "<span class=\"g1\">x</span><span class=\"f1\">y</span>"
        );
        assert_eq!(html("\u{1b}[92mx\u{1b}[39my"), "<span class=\"f10\">x</span>y");
        assert_eq!(html(" 10%\r100%"), "100%");
    }

    #[test]
    fn nothing_of_a_line_is_active() {
        for hostile in [
            "<script>alert(1)</script>",
            "\u{1b}]8;;javascript:alert(1)\u{7}link\u{1b}]8;;\u{7}",
            "\u{1b}[31\"><img src=x onerror=y>m",
            "\u{1b}[<m&\"'",
            "\u{202e}\u{0}\u{9b}31m",
            "</li></ol></details>",
        ] {
            let html = html(hostile);
            let tags = html.replace("<span class=\"", "").replace("</span>", "");
            assert!(!tags.contains('<') && !html.contains('\u{1b}') && !html.contains('\u{202e}'), "{html}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_become_balanced_spans_and_text(bytes in proptest::collection::vec(0_u8..=255, 0..200)) {
            let mut html = String::new();
            push_html(&mut html, &bytes);
            assert_eq!(html.matches("<span class=\"").count(), html.matches("</span>").count());
            assert_eq!(html.matches('<').count(), 2 * html.matches("</span>").count());
        }

        #[test]
        fn any_sequence_of_colours_is_read(text in "(\u{1b}\\[[0-9;:]{0,12}m[a-z<&]{0,3}){0,8}") {
            let html = html(&text);
            assert_eq!(html.matches('<').count(), 2 * html.matches("</span>").count());
        }
    }
}
