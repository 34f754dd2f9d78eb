package main

import (
	"flag"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sysvipc/sysvipc/internal/cli/help/helptest"
)

var update = flag.Bool("update", false, "write docs/man")

// Each page of help fits a terminal and begins with examples, and those of the verbs that change most fit a screen.
func TestHelpFits(t *testing.T) {
	t.Parallel()
	root := newRoot()
	root.InitDefaultCompletionCmd()
	helptest.Fits(t, root, "gc", "dump", "run", "rm", "restore", "undo", "top", "ls")
}

// The man pages are made of the help. After a change of it:
//
//	go test ./cmd/sysvipc -run TestManPages -update
func TestManPages(t *testing.T) {
	t.Parallel()
	root := newRoot()
	formats, _, err := root.Find([]string{"formats"})
	if err != nil {
		t.Fatal(err)
	}
	formats.Long += "\n\nThe columns:\n\n" + columnHelp()
	helptest.ManPages(t, root, filepath.Join("..", "..", "docs", "man"), *update, manSections)
}

// manSections is what the page of a verb has beside its help.
func manSections(verb string) helptest.Sections {
	noun, _, _ := strings.Cut(verb, " ")
	s := helptest.Sections{ExitStatus: exitStatus, SeeAlso: []string{"ipcs(1)", "sysvipc(7)"}}
	for _, other := range strings.Fields(related[noun]) {
		if strings.HasSuffix(other, ")") {
			s.SeeAlso = append(s.SeeAlso, other)
		} else {
			s.SeeAlso = append(s.SeeAlso, "sysvipc-"+other+"(1)")
		}
	}
	files := map[string]string{}
	environment := map[string]string{}
	switch noun {
	case "ref", "filter", "formats", "completion", "version":
		s.ExitStatus = ""
		return s
	case "run":
		s.ExitStatus = "That of CMD, or:\n" + helptest.Items(map[string]string{
			"2": "The command line is wrong.", "6": "No slot was free in time; \\-E names another code.", "125": "The lock failed.",
			"126": "CMD cannot be executed.", "127": "CMD is not found.",
		})
		environment["SYSVIPC_RUN_SLOT"] = "Set for CMD: the number of its slot, from 1 on."
	case "top":
		environment["NO_COLOR"] = "Without colours, if it is set to anything."
		environment["COLUMNS, LINES"] = "How large a frame of \\-\\-once is where there is no terminal."
	case "ns":
		files["/proc/PID/ns/ipc"] = "The IPC namespace of a process."
	case "limits", "doctor":
		files["/proc/sys/kernel/shmmni, sem, msgmni …"] = "The limits of this IPC namespace."
	}
	switch noun {
	case "gc", "rm", "undo", "restore", "top":
		files["/var/lib/sysvipc/removed"] = "What root has removed: a file for each run."
		files["~/.local/state/sysvipc/removed"] = "The same of other users."
		environment["SYSVIPC_STATE"] = "Another folder for what is removed."
		environment["XDG_STATE_HOME"] = "What is removed is in sysvipc/removed there, for others than root."
	}
	if noun != "ftok" {
		files["/proc/sysvipc/shm, sem, msg"] = "The kernel's list of the objects of this IPC namespace."
	}
	s.Files, s.Environment = helptest.Items(files), helptest.Items(environment)
	return s
}

var exitStatus = helptest.Items(map[string]string{
	"0": "All was done.",
	"1": "Something failed.",
	"2": "The command line is wrong.",
	"3": "An object is not there.",
	"4": "Something is not permitted, or cannot be seen.",
	"5": "Something is refused as unsafe.",
	"6": "It would have to wait, or has waited long enough.",
	"7": "The object was removed meanwhile.",
	"8": "A limit is reached.",
})

// related are the pages that a user of a verb looks for next.
var related = map[string]string{
	"":        "lsipc(1) ipcmk(1) ipcrm(1)",
	"ls":      "show top watch filter formats lsipc(1)",
	"show":    "ls who explain",
	"explain": "show who waits doctor",
	"who":     "show waits explain",
	"waits":   "who explain doctor semop(2) msgop(2)",
	"top":     "ls watch waits gc",
	"watch":   "top trace ls",
	"trace":   "watch top gc",
	"doctor":  "limits gc explain",
	"limits":  "doctor proc(5)",
	"ns":      "ls ipc_namespaces(7)",
	"gc":      "undo rm doctor explain ipcrm(1)",
	"rm":      "undo gc ls ipcrm(1)",
	"undo":    "gc rm restore",
	"set":     "show mk shmctl(2) semctl(2) msgctl(2)",
	"mk":      "rm set ftok ipcmk(1) shmget(2) semget(2) msgget(2)",
	"ftok":    "mk ref ftok(3)",
	"dump":    "restore undo",
	"restore": "dump undo",
	"run":     "sem waits semop(2) flock(1)",
	"demo":    "ls bench",
	"bench":   "demo",
	"region":  "shm",
	"ref":     "ls ftok",
	"filter":  "ls top formats",
	"formats": "ls show filter",
	"shm":     "show who region shmget(2) shmop(2) shmctl(2)",
	"sem":     "run waits semget(2) semop(2) semctl(2)",
	"msg":     "show waits msgget(2) msgop(2) msgctl(2)",
}
