{:notify {:targets {:team {:slack {:secret "a"} :discord {:secret "b"}}} :rules []}}
