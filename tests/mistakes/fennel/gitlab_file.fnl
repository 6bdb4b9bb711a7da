stages:
  - test

test:
  stage: test
  script:
    - make test
