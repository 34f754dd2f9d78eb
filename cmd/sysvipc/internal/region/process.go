package region

import "github.com/sysvipc/sysvipc/inspect"

// holderOf returns the process that a thread belongs to, and its name; 0 if it cannot be
// seen.
func holderOf(tid int) (pid int, comm string) {
	p, err := inspect.FindProcess(tid)
	if err != nil {
		return 0, ""
	}
	return p.PID, p.Comm
}

// commOf returns the name of a process, or "".
func commOf(pid int) string {
	_, comm := holderOf(pid)
	return comm
}
