package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/listing"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/namespace"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/verb"
	"github.com/sysvipc/sysvipc/inspect"
	"github.com/sysvipc/sysvipc/internal/cli"
	"github.com/sysvipc/sysvipc/internal/cli/account"
	"github.com/sysvipc/sysvipc/internal/cli/flags"
	"github.com/sysvipc/sysvipc/internal/cli/ref"
	"github.com/sysvipc/sysvipc/internal/cli/terminal"
)

type lsOptions struct {
	format  listing.Format
	columns string
	sort    string
	filter  string
	mine    bool
	owner   account.Owner
	orphans bool
	users   bool
	ns      string
	hidden  []string // what could not be seen of users, for a line beside the list
}

func newLsCommand() *cobra.Command {
	var o lsOptions
	cmd := &cobra.Command{
		Use:     "ls [shm] [sem] [msg] | posix",
		Aliases: []string{"list"},
		GroupID: verb.GroupLook,
		Short:   "List objects: all, or those of some kinds",
		Long: `List the segments, semaphore sets and queues of this IPC namespace: those of every
user, whether this user may read them or not. Looking changes nothing.

The table is for eyes; scripts take json, jsonl, csv or name. A question mark is what
nobody here can tell, and a dash what is not there. Sizes are shortened (1K is 1024
bytes) unless --bytes is given. See "sysvipc help formats" for the columns and
"sysvipc help filter" for --filter.

With --users json, jsonl and csv also have what a look at every process of the machine
tells: who uses each object, and whether it may be removed.

"ls posix" lists the objects of POSIX IPC instead, as table, json or name: shared memory
and semaphores in /dev/shm, queues in /dev/mqueue, with the processes that have them open.
SIZE of a queue are the bytes of its messages.`,
		Example: `  sysvipc ls
  sysvipc ls shm -s -size
  sysvipc ls --mine -o json
  sysvipc ls --users -o json
  sysvipc ls shm --filter 'nattch=0 && age>1d && owner=apache'
  sysvipc ls msg --filter 'messages>0' -O ref,messages,bytes,owner
  sysvipc ls --orphans -O ref,owner,idle
  sysvipc ls --ns all
  sysvipc ls posix
  sysvipc ls sem --mine -o name | sysvipc rm --dry-run -`,
		Args: func(cmd *cobra.Command, args []string) error {
			if slices.Contains(args, "posix") {
				return checkPosix(cmd, args)
			}
			for _, arg := range args {
				if _, ok := ref.KindOf(arg); !ok {
					return cli.Usage("%q is no kind of object: choose of shm, sem, msg and posix, or use \"sysvipc show REF\" for one object", arg)
				}
			}
			return nil
		},
		ValidArgs: []string{"shm", "sem", "msg", "posix"},
		RunE: func(cmd *cobra.Command, args []string) error {
			if slices.Contains(args, "posix") {
				return runPosix(cmd, &o.format)
			}
			return runLs(cmd, args, &o)
		},
	}
	flags.Output(cmd, &o.format.Name, listing.FormatNames...)
	f := cmd.Flags()
	f.BoolVarP(&o.format.Exact, "bytes", "b", false, "sizes in bytes, not shortened")
	f.StringVarP(&o.columns, "columns", "O", "", "COLUMNS to show, with commas between them")
	f.StringVarP(&o.sort, "sort", "s", "", "COLUMN to sort by; -COLUMN for largest first")
	f.StringVar(&o.filter, "filter", "", "only objects for which CONDITION holds")
	f.BoolVar(&o.mine, "mine", false, "only objects that this user owns")
	f.BoolVar(&o.orphans, "orphans", false, "only objects that nobody uses any more: see \"sysvipc gc --help\"")
	f.BoolVar(&o.users, "users", false, "in json, jsonl and csv also the users and the verdict")
	namespace.AddOwnFlag(cmd, &o.ns)
	o.owner = account.Owner{UID: -1, GID: -1}
	f.Var(&o.owner, "owner", "only objects of this owner")
	flags.Placeholder(cmd, "COLUMNS", "columns")
	flags.Placeholder(cmd, "COLUMN", "sort")
	flags.Placeholder(cmd, "CONDITION", "filter")
	flags.Complete(cmd, "columns", completeColumns)
	flags.Complete(cmd, "sort", completeColumns)
	return cmd
}

func runLs(cmd *cobra.Command, args []string, o *lsOptions) error {
	if o.users && (o.columns != "" || !slices.Contains([]string{"json", "jsonl", "csv"}, o.format.Name)) {
		return cli.Usage("--users is for -o json, jsonl and csv with all columns: otherwise name class, explained or waiters with -O")
	}
	o.format.Judged = o.needsUsers()
	kinds := kindsOf(args)
	v := listing.NewView()
	keep, err := o.condition(v)
	if err != nil {
		return err
	}
	if o.columns != "" {
		if o.format.Cols, err = listing.ColumnList(o.columns); err != nil {
			return err
		}
	}
	order, err := o.order(v)
	if err != nil {
		return err
	}
	write := func(all listing.Entries) error {
		all = listing.Where(all, keep)
		if order != nil {
			all = sorted(all, order)
		}
		err := o.format.Write(cmd, v, all)
		if err == nil && len(o.hidden) > 0 {
			fmt.Fprintln(cmd.ErrOrStderr(), "sysvipc: not all users can be seen: "+terminal.Escape(strings.Join(o.hidden, "; ")))
		}
		return err
	}
	switch o.ns {
	case "":
		all, err := o.list(cmd, v, kinds)
		if err != nil {
			return err
		}
		return write(all)
	case "all":
		return o.everywhere(cmd, v, kinds, write)
	}
	ns, err := namespace.Find(cmd.Context(), o.ns)
	if err != nil {
		return err
	}
	return namespace.Enter(cmd.Context(), ns, func() error {
		v.NS = ns.Inode
		o.format.ManyNamespaces = !ns.Own
		all, err := o.list(cmd, v, kinds)
		if err != nil {
			return err
		}
		return write(all)
	})
}

// list yields the objects of the namespace that this thread is in, with their users if anything that
// is asked for needs them.
func (o *lsOptions) list(cmd *cobra.Command, v *listing.View, kinds []sysvipc.Kind) (listing.Entries, error) {
	if !o.needsUsers() {
		return listing.List(kinds), nil
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(30) // all users of 44,000 objects would take more than 64 MiB
	}
	snap, err := inspect.Take(cmd.Context(), &inspect.Options{Only: kinds})
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(snap.Objects, func(o inspect.Object) bool { return len(o.Unknown) > 0 }) {
		for _, text := range unseen(snap) {
			v.Warnings = append(v.Warnings, text)
			if o.format.Name != "json" && !slices.Contains(o.hidden, text) { // JSON has the warnings in it
				o.hidden = append(o.hidden, text)
			}
		}
	}
	return listing.ListInspected(snap), nil
}

// needsUsers reports whether it takes a look at every process: some columns are about users.
func (o *lsOptions) needsUsers() bool {
	if o.orphans || o.users {
		return true
	}
	return slices.ContainsFunc(listing.UserColumns, func(name string) bool {
		return strings.Contains(strings.ToLower(o.columns+" "+o.sort+" "+o.filter), name)
	})
}

// everywhere lists the objects of all namespaces. One that cannot be entered is reported.
func (o *lsOptions) everywhere(cmd *cobra.Command, v *listing.View, kinds []sysvipc.Kind, write func(listing.Entries) error) error {
	spaces, err := inspect.Namespaces(cmd.Context(), nil)
	if err != nil {
		return err
	}
	v.Warnings = append(v.Warnings, spaces.Warnings...)
	var all []listing.Entry
	var failed error
	for i := range spaces.All {
		ns := &spaces.All[i]
		before := len(all)
		take := func() error {
			all = all[:before]
			here, err := o.list(cmd, v, kinds)
			if err != nil {
				return err
			}
			for e, err := range here {
				if err != nil {
					return err
				}
				held := e.Clone()
				held.NS = ns.Inode
				all = append(all, held)
			}
			return nil
		}
		err := namespace.Enter(cmd.Context(), ns, take)
		if errors.Is(err, namespace.ErrGone) {
			continue
		}
		if err != nil {
			verb.Report(cmd.ErrOrStderr(), cmd, err)
			v.Warnings = append(v.Warnings, cli.Text(err))
			failed = cmp.Or(failed, error(&cli.Error{Code: cli.ExitCode(err)}))
		}
	}
	v.Warnings = slices.Compact(v.Warnings)
	o.format.ManyNamespaces = true
	err = write(func(yield func(*listing.Entry, error) bool) {
		for i := range all {
			if !yield(&all[i], nil) {
				return
			}
		}
	})
	return cmp.Or(err, failed)
}

// sorted yields the same objects in another order.
func sorted(all listing.Entries, order func(a, b *listing.Entry) int) listing.Entries {
	return func(yield func(*listing.Entry, error) bool) {
		var held []listing.Entry
		for e, err := range all {
			if err != nil {
				yield(nil, err)
				return
			}
			held = append(held, e.Clone())
		}
		slices.SortStableFunc(held, func(a, b listing.Entry) int { return order(&a, &b) })
		for i := range held {
			if !yield(&held[i], nil) {
				return
			}
		}
	}
}

// kindsOf are the kinds that the arguments name, each once, or all.
func kindsOf(args []string) []sysvipc.Kind {
	if len(args) == 0 {
		return ref.AnyKind
	}
	return slices.DeleteFunc(slices.Clone(ref.AnyKind), func(k sysvipc.Kind) bool { return !slices.Contains(args, ref.Word(k)) })
}

// condition is what an object must meet to be listed.
func (o *lsOptions) condition(v *listing.View) (func(*listing.Entry) bool, error) {
	filter := func(*listing.Entry) bool { return true }
	if o.filter != "" {
		f, err := listing.ParseFilter(o.filter)
		if err != nil {
			return nil, err
		}
		filter = func(e *listing.Entry) bool { return f.Holds(v, e) == listing.Yes }
	}
	me := os.Geteuid()
	return func(e *listing.Entry) bool {
		return (!o.mine || e.UID == me) &&
			(!o.orphans || e.Users != nil && e.Users.Verdict.Class == inspect.Orphan) &&
			(o.owner.UID < 0 || e.UID == o.owner.UID) && (o.owner.GID < 0 || e.GID == o.owner.GID) &&
			filter(e)
	}, nil
}

// order returns how to sort, or nil for the kernel's order. What has no value comes last.
func (o *lsOptions) order(v *listing.View) (func(a, b *listing.Entry) int, error) {
	if o.sort == "" {
		return nil, nil
	}
	name, down := strings.CutPrefix(o.sort, "-")
	c, err := listing.ColumnNamed(strings.ToLower(name))
	if err != nil {
		return nil, err
	}
	return func(a, b *listing.Entry) int {
		x, y := c.Of(v, a), c.Of(v, b)
		if x.State != listing.Known || y.State != listing.Known {
			return cmp.Compare(x.State, y.State)
		}
		n := cmp.Or(cmp.Compare(x.N, y.N), strings.Compare(x.S, y.S))
		if down {
			return -n
		}
		return n
	}, nil
}

// completeColumns offers the columns that are not in the list yet.
func completeColumns(_ *cobra.Command, _ []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
	before := begun[:strings.LastIndexByte(begun, ',')+1]
	var offers []cobra.Completion
	for _, c := range listing.Columns {
		if !slices.Contains(strings.Split(before, ","), c.Name) {
			offers = append(offers, cobra.CompletionWithDesc(before+c.Name, c.Help))
		}
	}
	return offers, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace | cobra.ShellCompDirectiveKeepOrder
}
