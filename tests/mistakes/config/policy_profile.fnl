{:policy {:profile :relaxed :network ["bridge" 1] :mounts ["cache"] :caps ["NET_ADMINN"]}}
