{:secrets {:pin 1234}}
