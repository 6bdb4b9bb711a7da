# The same as ./dev/test
ci: test

# Everything that CI runs
test:
    ./dev/test

# A throw-away quire, a push, its run and its log
demo:
    ./dev/demo

# Format the code
fmt:
    cargo fmt

# Warnings are errors, as in CI
lint:
    cargo clippy --locked --all-targets -- -D warnings

# Measure against a bare shell hook
bench:
    ./dev/bench

# The standing attacks, ten minutes with a new seed
attack:
    ./dev/attack

# Write what is generated of the table of primitives and options
reference:
    ./dev/reference
