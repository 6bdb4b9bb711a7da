{:notify {:targets {:team {:slak {:secret "hook"}}} :rules [{:to "team"}]}}
