{:steps {:user "no-such-user" :sandbox :docker}}
