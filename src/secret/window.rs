//! Parts of values: what is sought where a value may have been cut and little of it stands on one line, as in hex dumps.

/// The size of a part. So many bytes of a value in a row are sought, wherever in the value they stand.
pub(super) const WINDOW: usize = 8;

/// Every window of every value.
#[derive(Default)]
pub(super) struct Windows {
    /// Each window as a number, the first byte highest, with the place of its secret; in order.
    all: Vec<(u64, usize)>,
    /// The windows that values begin with, in order.
    starts: Vec<u64>,
}

impl Windows {
    /// All windows of values, each of which comes with the place of its secret. One byte eight times says nothing.
    pub(super) fn new<'a>(values: impl IntoIterator<Item = (&'a [u8], usize)>) -> Windows {
        let mut windows = Windows::default();
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
        windows
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The places of the secrets that a window is part of.
    pub(super) fn owners(&self, window: u64) -> impl Iterator<Item = usize> {
        let first = self.all.partition_point(|(other, _)| *other < window);
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
    places: [u64; WINDOW],
}

impl Recent {
    /// Reads one byte; says which window ends with it and where it begins.
    pub(super) fn push(&mut self, byte: u8, place: u64) -> Option<(u64, u64)> {
        self.bytes = self.bytes << 8 | u64::from(byte);
        self.count = WINDOW.min(self.count + 1);
        self.places.rotate_left(1);
        self.places[WINDOW - 1] = place;
        (self.count == WINDOW).then_some((self.bytes, self.places[0]))
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
        self.places.get(WINDOW - count).copied()
    }
}
