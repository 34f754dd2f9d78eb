package namespace

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc/inspect"
	"github.com/sysvipc/sysvipc/internal/cli"
	"github.com/sysvipc/sysvipc/internal/cli/flags"
)

// Scope says in how many namespaces a verb works.
type Scope string

// The scopes.
const (
	One    Scope = ""       // in one: that of --ns, or of its REFs
	Each   Scope = "each"   // in several one after the other, as a process of its own in each
	Itself Scope = "itself" // the verb reads --ns itself
)

const (
	All      = "all" // what --ns calls each of them
	flagName = "ns"
	scopeKey = "namespaces" // of the annotations of a verb
	mostPIDs = 1 << 22      // PID_MAX_LIMIT: inodes are larger
)

func scopeOf(cmd *cobra.Command) Scope { return Scope(cmd.Annotations[scopeKey]) }

// Works sets the scope of verbs.
func Works(scope Scope, cmds ...*cobra.Command) {
	for _, cmd := range cmds {
		if cmd.Annotations == nil {
			cmd.Annotations = map[string]string{}
		}
		cmd.Annotations[scopeKey] = string(scope)
	}
}

// AddFlag adds --ns to a verb, or to all that it has.
func AddFlag(cmd *cobra.Command) {
	for _, sub := range cmd.Commands() {
		AddFlag(sub)
	}
	if !cmd.HasSubCommands() && scopeOf(cmd) != Itself {
		addFlag(cmd, new(string), scopeOf(cmd) == Each)
	}
}

// AddOwnFlag adds --ns to a verb that reads it itself.
func AddOwnFlag(cmd *cobra.Command, to *string) { addFlag(cmd, to, true) }

func addFlag(cmd *cobra.Command, to *string, all bool) {
	usage := "work in the IPC namespace of a process, file, inode or container"
	if all {
		usage += ", or in all"
	}
	cmd.Flags().StringVar(to, flagName, "", usage)
	flags.Placeholder(cmd, "NS", flagName)
	flags.Complete(cmd, flagName, complete)
}

// complete offers the namespaces.
func complete(cmd *cobra.Command, _ []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
	list, err := all(cmd.Context())
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var offers []cobra.Completion
	if scopeOf(cmd) != One && strings.HasPrefix(All, begun) {
		offers = append(offers, cobra.CompletionWithDesc(All, "each of them"))
	}
	for i := range list.All {
		ns := &list.All[i]
		for _, name := range append([]string{strconv.FormatUint(ns.Inode, 10)}, ns.Names...) {
			if strings.HasPrefix(name, begun) {
				offers = append(offers, cobra.CompletionWithDesc(name, fmt.Sprintf("%d processes", ns.Processes)))
			}
		}
	}
	return offers, cobra.ShellCompDirectiveNoFileComp
}

// Named is all namespaces for "" and "all", and otherwise the one that a text names, as a list.
func Named(ctx context.Context, text string) (*inspect.NamespaceList, error) {
	list, err := all(ctx)
	if err != nil || text == "" || text == All {
		return list, err
	}
	ns, err := Find(ctx, text)
	if err != nil {
		return nil, err
	}
	for i := range list.All {
		if list.All[i].Inode == ns.Inode {
			ns = &list.All[i]
		}
	}
	return &inspect.NamespaceList{All: []inspect.Namespace{*ns}, Complete: true}, nil
}

// Find finds the namespace that a text names: of a process by its PID, of a file by its path, by the inode, by the name or ID
// of a container, pod or unit.
func Find(ctx context.Context, text string) (*inspect.Namespace, error) {
	if strings.Contains(text, "/") {
		return ofFile(text)
	}
	digits := strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(text, "ns="), "ipc:["), "]")
	if n, err := strconv.ParseUint(digits, 10, 64); err == nil {
		if n > mostPIDs || digits != text {
			return FindInode(ctx, n)
		}
		return OfProcess(int(n))
	}
	list, err := all(ctx)
	if err != nil {
		return nil, err
	}
	var found []*inspect.Namespace
	for i := range list.All {
		if slices.ContainsFunc(list.All[i].Names, func(name string) bool { return means(text, name) }) {
			found = append(found, &list.All[i])
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		return nil, cli.Usage("--ns %s: there are %d IPC namespaces with such a name, %d and %d among them: give the inode", text, len(found), found[0].Inode, found[1].Inode)
	}
	return nil, notFound(list, "no container, pod or unit %q is seen in an IPC namespace of its own (\"sysvipc ns\" shows their names)", text)
}

// means reports whether a text names what has a name such as "docker:0123456789ab", "pod:shop/orders" or "web": a container's ID may be longer or
// shorter, but for less than 4 digits.
func means(text, name string) bool {
	_, short, kinded := strings.Cut(name, ":")
	if text == name || kinded && text == short {
		return true
	}
	if _, after, ok := strings.Cut(text, ":"); ok && kinded && strings.HasPrefix(text, name[:len(name)-len(short)]) {
		text = after
	}
	if _, pod, ok := strings.Cut(short, "/"); ok && text == pod {
		return true
	}
	hex := func(s string) bool { return len(s) >= 4 && strings.Trim(s, "0123456789abcdef") == "" }
	return kinded && hex(text) && hex(short) && (strings.HasPrefix(text, short) || strings.HasPrefix(short, text))
}

// OfProcess is the namespace of a process.
func OfProcess(pid int) (*inspect.Namespace, error) {
	inode, err := inspect.NamespaceOf(pid)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, cli.Fail(cli.ExitNotFound, "there is no process %d", pid)
	case errors.Is(err, fs.ErrPermission):
		return nil, cli.Fail(cli.ExitNotPermitted, "the IPC namespace of process %d: %w (%s)", pid, err, missing())
	case err != nil:
		return nil, err
	}
	return &inspect.Namespace{Inode: inode, Own: inode == inspect.HomeNamespace(), Path: fmt.Sprintf("/proc/%d/ns/ipc", pid)}, nil
}

func ofFile(path string) (*inspect.Namespace, error) {
	info, err := os.Stat(path)
	if err != nil {
		if errors.Is(err, fs.ErrPermission) {
			return nil, cli.Fail(cli.ExitNotPermitted, "--ns %s: %w (%s)", path, err, missing())
		}
		return nil, cli.Fail(cli.ExitCode(err), "--ns %s: %w", path, err)
	}
	inode := inodeOf(info)
	return &inspect.Namespace{Inode: inode, Own: inode == inspect.HomeNamespace(), Path: path}, nil
}

// FindInode is the namespace with a number.
func FindInode(ctx context.Context, inode uint64) (*inspect.Namespace, error) {
	list, err := all(ctx)
	if err != nil {
		return nil, err
	}
	for i := range list.All {
		if list.All[i].Inode == inode {
			return &list.All[i], nil
		}
	}
	return nil, notFound(list, "no IPC namespace %d is seen (\"sysvipc ns\" shows all)", inode)
}

// notFound is an error about a namespace that may be hidden.
func notFound(list *inspect.NamespaceList, format string, args ...any) error {
	text := fmt.Sprintf(format, args...)
	if list.Complete {
		return cli.Fail(cli.ExitNotFound, "%s", text)
	}
	return cli.Fail(cli.ExitNotPermitted, "%s; %s (%s)", text, strings.Join(list.Warnings, "; "), missing())
}
