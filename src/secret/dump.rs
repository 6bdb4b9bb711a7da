//! Finding values in dumps: `xxd`, `hexdump`, `od`.
//!
//! A line of a dump has an address or spaces, columns of bytes, and maybe the same bytes as text. Its columns are read in
//! every form at once, over the lines of a dump as one row of bytes, and windows of values are sought there. From the
//! column in which one begins to the end of the line in which it ends everything is masked, texts and addresses with it.
//! A line that is not a dump is left at the first byte that shows it, and what was read is forgotten.

use crate::secret::dump_form::{Form, is_hex};
use crate::secret::sequence::{Next, Sequence};
use crate::secret::window::{Recent, Windows};

/// The longest column that is read, in bytes: `xxd -g32` and `xxd -g0` have these.
const MAX_COLUMN: usize = 64;

/// How far two bytes of a dump may be from each other: between them are the text and the address of long lines.
/// It bounds what a stream holds back, which is a window without its last byte.
pub(super) const MAX_BETWEEN: u64 = 4096;

/// The shortest address; one column of a byte has fewer digits.
const MIN_ADDRESS: usize = 4;
const MAX_ADDRESS: usize = 16;

/// Where one stream is in the lines of a dump.
pub(super) struct Dump {
    line: Line,
    /// Whether a colon followed the address, as `xxd` writes it: there two spaces end the columns.
    has_colon: bool,
    /// Spaces before the column.
    spaces: usize,
    column: Vec<u8>,
    /// Where the column began.
    column_at: u64,
    sequence: Option<Sequence>,
    readers: [Reader; Form::ALL.len()],
    decoded: Vec<u8>,
    /// The place of the last column that was read, if the readers know any byte.
    last: Option<u64>,
    /// Whether a window ended on this line.
    is_touched: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    /// Before the end of its first column, which may be the address.
    Start,
    /// In the columns.
    Columns,
    /// Behind the columns.
    Text,
    /// Not a line of a dump.
    Other,
}

/// The bytes of a dump, as one form reads them.
struct Reader {
    form: Form,
    recent: Recent,
    /// Whether it has read a column of this line.
    has_read: bool,
    /// Whether a column of this line has another form.
    is_over: bool,
}

impl Default for Dump {
    fn default() -> Self {
        Self {
            line: Line::Start,
            has_colon: false,
            spaces: 0,
            column: Vec::new(),
            column_at: 0,
            sequence: None,
            readers: Form::ALL.map(Reader::new),
            decoded: Vec::new(),
            last: None,
            is_touched: false,
        }
    }
}

impl Dump {
    /// Whether the line may be one of a dump. The bytes of another, up to its end, need not be read.
    #[inline]
    pub(super) fn is_reading(&self) -> bool {
        self.line != Line::Other
    }

    /// Whether nothing of the line was read yet.
    #[inline]
    pub(super) fn is_fresh(&self) -> bool {
        self.line == Line::Start && self.column.is_empty() && self.spaces == 0 && self.sequence.is_none()
    }

    /// Leaves a line that begins with these bytes at once, when reading them would lead to that.
    pub(super) fn leave_other_line(&mut self, line: &[u8]) {
        if is_other_line(line) {
            self.give_up();
        }
    }

    /// Whether a value was found on this line. What follows on it is masked.
    #[inline]
    pub(super) fn is_touched(&self) -> bool {
        self.is_touched
    }

    /// Reads the byte at a place, and asks `found` of each window that it completes, and of where that begins, whether it is
    /// part of a value.
    pub(super) fn read(&mut self, byte: u8, at: u64, found: impl FnMut(u64, u64) -> bool) {
        if self.last.is_some_and(|last| at - last > MAX_BETWEEN) {
            self.give_up();
        }
        match (byte, self.line) {
            (b'\n', _) => self.end_line(at, found),
            (_, Line::Other | Line::Text) => {}
            _ => self.read_visible(byte, at, found),
        }
    }

    /// Reads the end of the output.
    pub(super) fn end(&mut self, found: impl FnMut(u64, u64) -> bool) {
        if matches!(self.line, Line::Start | Line::Columns) {
            self.end_column(found);
        }
    }

    /// Where the first window may begin that is not complete and of which `min` bytes or more were read.
    pub(super) fn live_from(&self, windows: &Windows, min: usize) -> Option<u64> {
        if self.last.is_none() && self.column.is_empty() {
            return None;
        }
        let is_column = match self.line {
            Line::Start => self.spaces > 0 || self.column.len() < MIN_ADDRESS,
            Line::Columns => true,
            Line::Text | Line::Other => false,
        };
        let open = if is_column { &*self.column } else { &[] };
        let live = self.readers.iter().filter_map(|reader| {
            let live = reader.recent.live_from(windows, min);
            let with_open = reader.with_open(open, self.column_at, windows, min);
            live.into_iter().chain(with_open).min()
        });
        live.chain((min == 1 && !open.is_empty()).then_some(self.column_at)).min()
    }

    /// Where the beginning of a value starts that the dump ends with, if it has `min` bytes or more.
    pub(super) fn cut_from(&self, windows: &Windows, min: usize) -> Option<u64> {
        self.readers.iter().filter_map(|reader| reader.recent.cut_from(windows, min)).min()
    }

    /// Reads a byte that is not stepped over, as escape sequences and carriage returns are.
    fn read_visible(&mut self, byte: u8, at: u64, found: impl FnMut(u64, u64) -> bool) {
        if let Some(sequence) = self.sequence.take() {
            match sequence.next(byte) {
                Next::Open(open) => self.sequence = Some(open),
                Next::Complete => {}
                Next::No => self.give_up(),
            }
            return;
        }
        match byte {
            b'\r' => {}
            0x1b => self.sequence = Sequence::begin(byte),
            b' ' | b'\t' => self.read_space(found),
            b':' if self.is_address(true) => {
                self.has_colon = true;
                self.begin_columns();
            }
            _ => {
                if self.column.is_empty() {
                    self.column_at = at;
                }
                self.column.push(byte);
                if !self.may_continue() {
                    self.end_columns();
                }
            }
        }
    }

    /// Whether what was read of a column may be part of one.
    fn may_continue(&self) -> bool {
        if self.line == Line::Start && self.spaces == 0 {
            return self.column == b"*" || is_hex(&self.column) && self.column.len() <= MAX_ADDRESS;
        }
        self.column.len() <= MAX_COLUMN && Form::may_begin(&self.column)
    }

    /// Whether what was read of a line is an address. In an indented line one without a colon is known by its odd number
    /// of digits, which no column of bytes has.
    fn is_address(&self, has_colon: bool) -> bool {
        let digits = self.column.len();
        self.line == Line::Start
            && (has_colon || self.spaces == 0 || digits % 2 == 1)
            && (MIN_ADDRESS..=MAX_ADDRESS).contains(&digits)
            && is_hex(&self.column)
    }

    fn read_space(&mut self, found: impl FnMut(u64, u64) -> bool) {
        self.end_column(found);
        self.spaces += 1;
        if self.has_colon && self.spaces > 1 && self.has_read() {
            self.end_columns();
        }
    }

    fn begin_columns(&mut self) {
        self.line = Line::Columns;
        self.column.clear();
        self.spaces = 0;
    }

    /// Reads the column that ends here, if there is one.
    fn end_column(&mut self, mut found: impl FnMut(u64, u64) -> bool) {
        if self.column.is_empty() {
            return;
        }
        if self.is_address(false) {
            return self.begin_columns();
        }
        self.line = Line::Columns;
        for reader in self.readers.iter_mut().filter(|reader| !reader.is_over) {
            self.decoded.clear();
            reader.is_over = !reader.form.decode(&self.column, self.spaces, &mut self.decoded);
            if !reader.is_over {
                reader.has_read = true;
                self.last = Some(self.column_at);
                for byte in &self.decoded {
                    let window = reader.recent.push(*byte, self.column_at);
                    self.is_touched |= window.is_some_and(|(window, start)| found(window, start));
                }
            }
        }
        self.column.clear();
        self.spaces = 0;
        if self.readers.iter().all(|reader| reader.is_over) {
            self.end_columns();
        }
    }

    fn has_read(&self) -> bool {
        self.readers.iter().any(|reader| reader.has_read)
    }

    /// Nothing on the line is read any more; without any column it is not a line of a dump.
    fn end_columns(&mut self) {
        if self.has_read() {
            self.line = Line::Text;
            self.column.clear();
        } else {
            self.give_up();
        }
    }

    fn end_line(&mut self, at: u64, mut found: impl FnMut(u64, u64) -> bool) {
        match self.line {
            // Repeated lines are written so.
            Line::Start if self.column == b"*" => {}
            Line::Start | Line::Columns => {
                self.end_column(&mut found);
                self.read_trailing(at, found);
            }
            Line::Text | Line::Other => {}
        }
        if self.line == Line::Start && self.column.is_empty() {
            self.give_up();
        }
        self.line = Line::Start;
        (self.has_colon, self.is_touched) = (false, false);
        (self.spaces, self.sequence) = (0, None);
        self.column.clear();
        for reader in &mut self.readers {
            (reader.has_read, reader.is_over) = (false, false);
        }
    }

    /// Reads the spaces at the end of a line, whose place is given.
    fn read_trailing(&mut self, at: u64, mut found: impl FnMut(u64, u64) -> bool) {
        for reader in self.readers.iter_mut().filter(|reader| reader.has_read && !reader.is_over) {
            for _ in 0..reader.form.trailing(self.spaces) {
                let window = reader.recent.push(b' ', at);
                self.is_touched |= window.is_some_and(|(window, start)| found(window, start));
            }
        }
    }

    /// Forgets what was read, and leaves the line.
    fn give_up(&mut self) {
        self.line = Line::Other;
        self.column.clear();
        self.is_touched = false;
        if self.last.take().is_some() {
            for reader in &mut self.readers {
                reader.recent = Recent::default();
            }
        }
    }
}

/// Whether the first bytes of a line show that it is not part of a dump. Most lines of other output are known so.
fn is_other_line(mut line: &[u8]) -> bool {
    let mut is_indented = false;
    loop {
        line = match line {
            [b' ' | b'\t', rest @ ..] => {
                is_indented = true;
                rest
            }
            [0x1b, b'[', rest @ ..] => {
                let parameters = rest.iter().take_while(|byte| matches!(byte, 0x20..=0x3f)).count();
                match rest.get(parameters..) {
                    Some([0x40..=0x7e, rest @ ..]) => rest,
                    _ => return false,
                }
            }
            _ => break,
        }
    }
    if is_indented {
        // The first byte may be a column by itself, and is one only with a space behind it.
        return match line {
            [_, b' ' | b'\t' | b'\r' | b'\n' | 0x1b, ..] | [b'\r' | b'\n' | 0x1b, ..] | [] | [_] => false,
            [first, second, ..] => !Form::may_begin(&[*first, *second]),
        };
    }
    let digits = line.iter().take(MAX_ADDRESS + 1).take_while(|byte| byte.is_ascii_hexdigit()).count();
    match line.get(digits) {
        _ if digits > MAX_ADDRESS => true,
        None | Some(b' ' | b'\t' | b'\r' | b'\n' | 0x1b) => false,
        Some(b'*') => digits > 0,
        Some(b':') => digits < MIN_ADDRESS,
        Some(_) => true,
    }
}

impl Reader {
    fn new(form: Form) -> Self {
        Self { form, recent: Recent::default(), has_read: false, is_over: false }
    }
    /// The same with the bytes of a column that has not ended, which may be many.
    fn with_open(&self, column: &[u8], at: u64, windows: &Windows, min: usize) -> Option<u64> {
        if column.len() < 2 || self.form != Form::Bytes || self.is_over {
            return None;
        }
        let mut bytes = Vec::new();
        self.form.decode(column.get(..column.len() & !1)?, 0, &mut bytes);
        let mut recent = self.recent;
        let whole = bytes.into_iter().find_map(|byte| {
            recent.push(byte, at).filter(|(window, _)| windows.owners(*window).next().is_some())
        });
        whole.map(|(_, start)| start).or_else(|| recent.live_from(windows, min))
    }
}
