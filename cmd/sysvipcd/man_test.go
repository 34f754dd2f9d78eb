package main

import (
	"flag"
	"path/filepath"
	"testing"

	"github.com/sysvipc/sysvipc/internal/cli/help/helptest"
)

var update = flag.Bool("update", false, "write docs/man")

// Each page of help fits a terminal and begins with examples.
func TestHelpFits(t *testing.T) {
	t.Parallel()
	helptest.Fits(t, newRoot())
}

// The man pages are made of the help. After a change of it:
//
//	go test ./cmd/sysvipcd -run TestManPages -update
func TestManPages(t *testing.T) {
	t.Parallel()
	helptest.ManPages(t, newRoot(), filepath.Join("..", "..", "docs", "man"), *update, manSections)
}

// manSections is what the page of a verb has beside its help.
func manSections(verb string) helptest.Sections {
	s := helptest.Sections{
		ExitStatus: helptest.Items(map[string]string{
			"0": "All was done.", "1": "Something failed.", "2": "The command line is wrong.", "3": "An object is not there.",
			"4": "Something is not permitted.", "5": "Something is refused as unsafe.", "6": "It has waited long enough.",
		}),
		SeeAlso: []string{"sysvipc(1)", "sysvipc(7)"},
	}
	switch verb {
	case "version":
		s.ExitStatus = ""
	case "serve":
		s.SeeAlso = append(s.SeeAlso, "sysvipc-top(1)", "sysvipcd-bridge(1)", "systemd.exec(5)", "proc(5)")
		s.Environment = helptest.Items(map[string]string{"NOTIFY_SOCKET, WATCHDOG_USEC": "Of systemd, which gets to know when the service is ready and that it lives."})
		s.Files = helptest.Items(map[string]string{"/proc/sysvipc/shm, sem, msg": "The kernel's list of the objects of this IPC namespace."})
	case "bridge":
		s.SeeAlso = append(s.SeeAlso, "sysvipcd-serve(1)", "sysvipc-msg(1)", "systemd.exec(5)", "msgop(2)")
		s.Environment = helptest.Items(map[string]string{
			"NOTIFY_SOCKET, WATCHDOG_USEC": "Of systemd, which gets to know when the service is ready and that it lives.",
			"STATE_DIRECTORY":              "Of systemd: the folder of the journals and of the server of \\-\\-embedded.",
		})
		s.Files = helptest.Items(map[string]string{"/var/lib/sysvipcd": "The same folder, where there is no STATE_DIRECTORY."})
	case "run":
		s.ExitStatus = "That of CMD, or:\n" + helptest.Items(map[string]string{
			"2": "The command line is wrong.", "6": "No slot was free in time; \\-E names another code.", "125": "The lock failed, or its lease was lost.",
			"126": "CMD cannot be executed.", "127": "CMD is not found.",
		})
		s.SeeAlso = append(s.SeeAlso, "sysvipcd-waits(1)", "sysvipc-run(1)", "semop(2)")
		s.Environment = helptest.Items(map[string]string{"SYSVIPC_FENCING_TOKEN": "Set for CMD: a number that is larger than that of all who had a slot before."})
	case "":
	default:
		s.SeeAlso = append(s.SeeAlso, "sysvipcd-ls(1)", "sysvipcd-show(1)", "sysvipcd-waits(1)", "sysvipcd-rm(1)", "sysvipcd-doctor(1)")
	}
	return s
}
