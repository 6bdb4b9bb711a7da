{:secrets {:token (os.getenv "TOKEN")}}
