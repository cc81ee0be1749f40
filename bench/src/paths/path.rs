//! A path.

/// One operation that can be repeated as often as one likes, at the same cost each time.
pub struct Path {
    /// Topic and name, separated by a slash.
    pub name: &'static str,
    operation: Box<dyn FnMut()>,
}

impl Path {
    pub(super) fn new(name: &'static str, operation: impl FnMut() + 'static) -> Self {
        let operation = Box::new(operation);
        Self { name, operation }
    }

    /// Carries it out once.
    #[inline]
    pub fn run(&mut self) {
        (self.operation)();
    }
}

impl std::fmt::Debug for Path {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Path").field(&self.name).finish()
    }
}
