package inspect

// owners returns the users as which some process runs: by its real, effective, saved or file system
// user.
func (s *scan) owners() (map[int]bool, error) {
	pids, err := numbers(s.fs.root)
	if err != nil {
		return nil, err
	}
	users := map[int]bool{}
	for _, pid := range pids {
		text, err := s.fs.read(s.fs.task(pid, 0, "status"))
		if denied(err) {
			return nil, err
		}
		if err != nil {
			continue // it has ended
		}
		uids, ok := parseUIDs(text)
		if !ok {
			return nil, pathError("read", s.fs.task(pid, 0, "status"), errNoUsers)
		}
		for _, uid := range uids {
			users[uid] = true
		}
	}
	return users, nil
}
