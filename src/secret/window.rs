//! Parts of values: what is sought where a value may have been cut and little of it stands on one line, as in hex dumps.

/// The size of a part. So many bytes of a value in a row are sought, no matter where in the value they stand.
pub(super) const WINDOW: usize = 8;

/// How many numbers there are for the last bytes of a window.
const ENDS: usize = 1 << 16;

/// Every window of every value.
#[derive(Default)]
pub(super) struct Windows {
    /// Each window as a number, the first byte highest, with the place of its secret; in order.
    all: Vec<(u64, usize)>,
    /// The windows that values begin with, in order.
    starts: Vec<u64>,
    /// The numbers of their last bytes: most windows that are asked for end with others.
    ends: Vec<u64>,
}

impl Windows {
    /// All windows of values, each of which comes with the place of its secret. One byte eight times says nothing.
    pub(super) fn new<'a>(values: impl IntoIterator<Item = (&'a [u8], usize)>) -> Self {
        let mut windows = Self::default();
        for (value, owner) in values {
            let windows_of = value.windows(WINDOW).filter_map(|window| <[u8; WINDOW]>::try_from(window).ok());
            let numbers = windows_of.map(u64::from_be_bytes);
            windows.starts.extend(numbers.clone().take(1));
            windows
                .all
                .extend(numbers.filter(|window| !is_row(*window, WINDOW)).map(|window| (window, owner)));
        }
        windows.all.sort_unstable();
        windows.all.dedup();
        windows.starts.sort_unstable();
        windows.ends = vec![0; ENDS / 64];
        for (window, _) in &windows.all {
            let end = end_of(*window);
            if let Some(word) = windows.ends.get_mut(end / 64) {
                *word |= 1 << (end % 64);
            }
        }
        windows
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The places of the secrets that a window is part of.
    pub(super) fn owners(&self, window: u64) -> impl Iterator<Item = usize> {
        let end = end_of(window);
        let may_be_one = self.ends.get(end / 64).is_some_and(|word| word >> (end % 64) & 1 == 1);
        let before = |(other, _): &(u64, usize)| *other < window;
        let first = if may_be_one { self.all.partition_point(before) } else { self.all.len() };
        let same = self.all.iter().skip(first).take_while(move |(other, _)| *other == window);
        same.map(|(_, owner)| *owner)
    }

    /// Whether a window begins with bytes.
    fn has(&self, bytes: Beginning) -> bool {
        let first = self.all.partition_point(|(other, _)| *other < bytes.lowest());
        self.all.get(first).is_some_and(|(window, _)| bytes.begins(*window))
    }

    /// Whether a value begins with bytes, which are not one byte in a row.
    fn starts_with(&self, bytes: Beginning) -> bool {
        let first = self.starts.partition_point(|other| *other < bytes.lowest());
        !is_row(bytes.bytes, bytes.count)
            && self.starts.get(first).is_some_and(|window| bytes.begins(*window))
    }
}

/// The number of the last four bytes of a window, which others have as well.
fn end_of(window: u64) -> usize {
    ((window as u32).wrapping_mul(0x9e37_79b1) >> 16) as usize
}

/// Fewer bytes than a window has, and at least one.
#[derive(Clone, Copy)]
struct Beginning {
    /// The last byte is lowest; what stands above the first is of no account.
    bytes: u64,
    count: usize,
}

impl Beginning {
    fn lowest(self) -> u64 {
        self.bytes << (8 * (WINDOW - self.count))
    }

    fn begins(self, window: u64) -> bool {
        let shift = 8 * (WINDOW - self.count);
        window >> shift == self.lowest() >> shift
    }
}

/// Whether the last `count` bytes are all the same.
fn is_row(bytes: u64, count: usize) -> bool {
    let bytes = bytes.to_be_bytes();
    let mut last = bytes.iter().skip(WINDOW - count);
    last.next().is_none_or(|first| last.all(|byte| byte == first))
}

/// The last bytes that were read, with their places in the text.
#[derive(Default, Clone, Copy)]
pub(super) struct Recent {
    bytes: u64,
    count: usize,
    /// The place of each; the oldest stands at `next`.
    places: [u64; WINDOW],
    next: usize,
}

impl Recent {
    /// Reads one byte; says which window ends with it and where it begins.
    pub(super) fn push(&mut self, byte: u8, place: u64) -> Option<(u64, u64)> {
        self.bytes = self.bytes << 8 | u64::from(byte);
        self.count = WINDOW.min(self.count + 1);
        if let Some(oldest) = self.places.get_mut(self.next) {
            *oldest = place;
        }
        self.next = (self.next + 1) % WINDOW;
        let start = self.places.get(self.next).copied()?;
        (self.count == WINDOW).then_some((self.bytes, start))
    }

    /// Where a window may begin that is not complete, of which the last bytes are `min` or more.
    pub(super) fn live_from(&self, windows: &Windows, min: usize) -> Option<u64> {
        self.longest(min, |bytes| windows.has(bytes))
    }

    /// Where the beginning of a value starts of which the last bytes are `min` or more.
    pub(super) fn cut_from(&self, windows: &Windows, min: usize) -> Option<u64> {
        self.longest(min, |bytes| windows.starts_with(bytes))
    }

    /// Where the longest beginning starts that the last bytes are.
    fn longest(&self, min: usize, is_one: impl Fn(Beginning) -> bool) -> Option<u64> {
        let mut counts = (min..=self.count.min(WINDOW - 1)).rev();
        let count = counts.find(|count| is_one(Beginning { bytes: self.bytes, count: *count }))?;
        self.places.get((self.next + WINDOW - count) % WINDOW).copied()
    }
}
