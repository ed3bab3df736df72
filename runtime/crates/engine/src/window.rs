//! Cutting a stream of samples into windows.

/// A window of `length` samples every `hop` samples, over samples of `sample_bytes` each.
///
/// The ring is allocated once. Each sample is copied into it once, or not at all if it lies between
/// windows.
#[derive(Debug)]
pub(crate) struct Window {
    length: usize,
    hop: usize,
    sample_bytes: usize,
    /// The last samples of the window that is being filled; the next one goes to `position`.
    ring: Box<[u8]>,
    /// In samples.
    position: usize,
    /// Samples since the last reset.
    received: u64,
    skipped: u64,
    /// Where the window that is being filled starts, counted from the last reset.
    start: u64,
    /// Where the last full window ended; 0 before the first.
    last_end: u64,
}

/// A full window: the ring's bytes, oldest first, in two parts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Full<'a> {
    /// One past the window's last sample, counted from the last reset.
    pub(crate) end: u64,
    older: &'a [u8],
    newer: &'a [u8],
    sample_bytes: usize,
}

impl<'a> Full<'a> {
    /// The only window of a stream.
    pub(crate) fn only(samples: &'a [u8], sample_bytes: usize) -> Self {
        Self {
            end: (samples.len() / sample_bytes) as u64,
            older: samples,
            newer: &[],
            sample_bytes,
        }
    }

    /// Copy the window into `target`, which has its size.
    pub(crate) fn copy_to(&self, target: &mut [u8]) {
        let (older, newer) = target.split_at_mut(self.older.len());
        older.copy_from_slice(self.older);
        newer.copy_from_slice(self.newer);
    }

    /// Fill `target` with the samples up to the last `left`; what would lie before the window stays as it is.
    pub(crate) fn copy_before(&self, left: u64, target: &mut [u8]) {
        let length = self.older.len() + self.newer.len();
        let left = usize::try_from(left).unwrap_or(usize::MAX);
        let end = length.saturating_sub(left.saturating_mul(self.sample_bytes));
        let start = end.saturating_sub(target.len());
        let split = self.older.len();
        let older = &self.older[start.min(split)..end.min(split)];
        let newer = &self.newer[start.saturating_sub(split)..end.saturating_sub(split)];
        let before = target.len() - (end - start);
        let (first, second) = target[before..].split_at_mut(older.len());
        first.copy_from_slice(older);
        second.copy_from_slice(newer);
    }
}

impl Window {
    /// All three are positive.
    pub(crate) fn new(length: usize, hop: usize, sample_bytes: usize) -> Self {
        Self {
            length,
            hop,
            sample_bytes,
            ring: vec![0; length * sample_bytes].into(),
            position: 0,
            received: 0,
            skipped: 0,
            start: 0,
            last_end: 0,
        }
    }

    pub(crate) fn length(&self) -> usize {
        self.length
    }

    pub(crate) fn hop(&self) -> usize {
        self.hop
    }

    pub(crate) fn sample_bytes(&self) -> usize {
        self.sample_bytes
    }

    /// Samples received that no window has held yet, but one will.
    pub(crate) fn pending(&self) -> u64 {
        self.received.saturating_sub(self.start.max(self.last_end))
    }

    /// Samples received that no window will ever hold.
    pub(crate) fn skipped(&self) -> u64 {
        self.skipped
    }

    /// How many windows `samples` more samples will fill.
    pub(crate) fn due(&self, samples: usize) -> u64 {
        let received = self.received.saturating_add(samples as u64);
        let end = self.start.saturating_add(self.length as u64);
        received
            .checked_sub(end)
            .map_or(0, |beyond| 1 + beyond / self.hop as u64)
    }

    /// Take samples off the front of `samples`, as far as the next full window; return that window, or
    /// `None` once all samples are taken without filling one.
    pub(crate) fn fill(&mut self, samples: &mut &[u8]) -> Option<Full<'_>> {
        self.skip(samples);
        let end = self.start.saturating_add(self.length as u64);
        while self.received < end && !samples.is_empty() {
            self.write(samples, end);
        }
        if self.received < end {
            return None;
        }
        self.last_end = end;
        self.start = self.start.saturating_add(self.hop as u64);
        let (newer, older) = self.ring.split_at(self.position * self.sample_bytes);
        Some(Full {
            end,
            older,
            newer,
            sample_bytes: self.sample_bytes,
        })
    }

    /// Drop the samples before the window's start.
    fn skip(&mut self, samples: &mut &[u8]) {
        let count = self.at_most(self.start.saturating_sub(self.received), samples);
        self.take(count, samples);
        self.skipped += count as u64;
    }

    /// Copy samples of the window that ends at `end`, as far as the ring's edge.
    fn write(&mut self, samples: &mut &[u8], end: u64) {
        let room = self.length - self.position;
        let count = self.at_most(end - self.received, samples).min(room);
        let from = self.position * self.sample_bytes;
        let taken = self.take(count, samples);
        self.ring[from..from + taken.len()].copy_from_slice(taken);
        self.position = (self.position + count) % self.length;
    }

    /// `wanted`, or the number of samples there are if that is less.
    fn at_most(&self, wanted: u64, samples: &[u8]) -> usize {
        let there = samples.len() / self.sample_bytes;
        usize::try_from(wanted).map_or(there, |wanted| wanted.min(there))
    }

    fn take<'a>(&mut self, count: usize, samples: &mut &'a [u8]) -> &'a [u8] {
        let (taken, rest) = samples.split_at(count * self.sample_bytes);
        *samples = rest;
        self.received += count as u64;
        taken
    }

    /// Forget all samples; return how many were pending.
    pub(crate) fn reset(&mut self) -> u64 {
        let pending = self.pending();
        (
            self.position,
            self.received,
            self.skipped,
            self.start,
            self.last_end,
        ) = (0, 0, 0, 0, 0);
        pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    #[derive(Debug, Clone)]
    enum Step {
        Push(usize),
        Reset,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![9 => (0_usize..60).prop_map(Step::Push), 1 => Just(Step::Reset)]
    }

    /// The same by definition: window `k` is samples `k * hop` to `k * hop + length - 1`.
    #[derive(Debug)]
    struct Naive {
        length: u64,
        hop: u64,
        received: u64,
    }

    impl Naive {
        fn ends(&self) -> Vec<u64> {
            let starts = (0..=self.received).filter(|start| start.is_multiple_of(self.hop));
            starts
                .map(|start| start + self.length)
                .filter(|&end| end <= self.received)
                .collect()
        }

        /// How many samples are in full windows, only in later ones, and in none.
        fn account(&self) -> [u64; 3] {
            let last = self.ends().last().copied().unwrap_or(0);
            let mut account = [0; 3];
            for sample in 0..self.received {
                // Of the windows that start at or before the sample, the first to reach it and the last.
                let earliest = (sample + 1).saturating_sub(self.length).div_ceil(self.hop);
                let latest = sample / self.hop;
                let kind = match (
                    earliest <= latest,
                    earliest * self.hop + self.length <= last,
                ) {
                    (true, true) => 0,
                    (true, false) => 1,
                    (false, _) => 2,
                };
                account[kind] += 1;
            }
            account
        }
    }

    /// Sample `i` as two bytes.
    fn bytes(samples: std::ops::Range<u64>) -> Vec<u8> {
        samples
            .flat_map(|i| u16::try_from(i).unwrap_or(u16::MAX).to_le_bytes())
            .collect()
    }

    proptest! {
        #[test]
        fn windows_and_accounts_are_those_of_the_definition(
            length in 1_usize..40,
            hop in 1_usize..90,
            steps in vec(step(), 1..30),
        ) {
            let mut window = Window::new(length, hop, 2);
            let mut naive = Naive { length: length as u64, hop: hop as u64, received: 0 };
            let mut ends = vec![];
            for step in steps {
                match step {
                    Step::Push(count) => {
                        let next = naive.received + count as u64;
                        let block = bytes(naive.received..next);
                        let (due, before) = (window.due(count), ends.len());
                        let mut rest = block.as_slice();
                        while let Some(full) = window.fill(&mut rest) {
                            let mut content = vec![0; 2 * length];
                            full.copy_to(&mut content);
                            prop_assert_eq!(content, bytes(full.end - length as u64..full.end));
                            ends.push(full.end);
                        }
                        prop_assert_eq!(due, (ends.len() - before) as u64);
                        naive.received = next;
                    }
                    Step::Reset => {
                        let pending = window.pending();
                        prop_assert_eq!(window.reset(), pending);
                        naive.received = 0;
                        ends.clear();
                    }
                }
                let [held, pending, skipped] = naive.account();
                prop_assert_eq!(&ends, &naive.ends());
                prop_assert_eq!([window.pending(), window.skipped()], [pending, skipped]);
                prop_assert_eq!(naive.received, held + pending + skipped);
            }
        }
    }

    proptest! {
        #[test]
        fn any_part_of_a_window_is_found(
            length in 1_usize..20,
            pushed in 20_u64..60,
            left in 0_u64..25,
            wanted in 0_usize..25,
        ) {
            let mut window = Window::new(length, 1, 2);
            let block = bytes(0..pushed);
            let (mut rest, mut found, mut end) = (block.as_slice(), vec![], 0);
            while let Some(full) = window.fill(&mut rest) {
                found = vec![0xee; 2 * wanted];
                full.copy_before(left, &mut found);
                end = full.end;
            }
            // By definition: the samples before the last `left`, those of the window alone, and what was there before them.
            let last = end.saturating_sub(left).max(end - length as u64);
            let first = last.saturating_sub(wanted as u64).max(end - length as u64);
            let mut expected = vec![0xee; 2 * wanted - 2 * usize::try_from(last - first).unwrap_or(0)];
            expected.extend(bytes(first..last));
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn the_longest_hop_waits_for_ever() {
        let mut window = Window::new(2, usize::MAX, 1);
        let mut samples: &[u8] = &[0; 1000];
        assert_eq!(window.fill(&mut samples).map(|full| full.end), Some(2));
        assert!(window.fill(&mut samples).is_none());
        assert_eq!([window.pending(), window.skipped()], [0, 998]);
    }
}
