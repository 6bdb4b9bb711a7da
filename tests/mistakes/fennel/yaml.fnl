name: test
on: push
jobs:
  test:
    runs-on: ubuntu-latest
