{
  "jobs": {"test": {"script": ["make test"]}}
}
