//! The tokens of the pages of a list at AWS.

use std::collections::BTreeSet;

use super::ScanError;

/// The number of retries of a page: a list of many pages would seldom succeed otherwise.
pub(super) const PAGE_RETRIES: u32 = 2;

/// The tokens of the pages of one list.
#[derive(Debug, Default)]
pub(super) struct Pages {
    next: Option<String>,
    seen: BTreeSet<String>,
}

impl Pages {
    /// The token of the next page; `None` for the first one.
    pub(super) fn token(&self) -> Option<String> {
        self.next.clone()
    }

    /// Records the token that a page has returned. Returns whether there is another page.
    ///
    /// # Errors
    /// [`ScanError::RepeatedToken`]: the list would never end.
    pub(super) fn advance(&mut self, next: Option<String>) -> Result<bool, ScanError> {
        if let Some(token) = &next
            && !self.seen.insert(token.clone())
        {
            return Err(ScanError::RepeatedToken);
        }
        self.next = next;
        Ok(self.next.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_that_returns_ends_the_list() {
        let mut pages = Pages::default();
        assert_eq!(pages.token(), None);
        for token in ["a", "b"] {
            assert!(pages.advance(Some(token.into())).unwrap());
            assert_eq!(pages.token().as_deref(), Some(token));
        }
        assert!(matches!(pages.advance(Some("a".into())), Err(ScanError::RepeatedToken)));
        assert!(!pages.advance(None).unwrap());
    }
}
