package main

import (
	"cmp"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc"
)

type lsOptions struct {
	format  format
	columns string
	sort    string
	filter  string
	mine    bool
	owner   owner
}

func newLsCommand() *cobra.Command {
	var o lsOptions
	cmd := &cobra.Command{
		Use:     "ls [shm] [sem] [msg]",
		Aliases: []string{"list"},
		GroupID: groupLook,
		Short:   "List objects: all, or those of some kinds",
		Long: `List the segments, semaphore sets and queues of this IPC namespace: those of every
user, whether this user may read them or not. Looking changes nothing.

The table is for eyes; scripts take json, jsonl, csv or name. A question mark is what
nobody here can tell, and a dash what is not there. Sizes are shortened (1K is 1024
bytes) unless --bytes is given. See "sysvipc help formats" for the columns and
"sysvipc help filter" for --filter.`,
		Example: `  sysvipc ls
  sysvipc ls shm -s -size
  sysvipc ls --mine -o json
  sysvipc ls shm --filter 'nattch=0 && age>1d && owner=apache'
  sysvipc ls msg --filter 'messages>0' -O ref,messages,bytes,owner
  sysvipc ls sem --mine -o name | sysvipc rm --dry-run -`,
		Args: func(cmd *cobra.Command, args []string) error {
			for _, arg := range args {
				if _, ok := kindOf(arg); !ok {
					return usage("%q is no kind of object: choose of shm, sem and msg, or use \"sysvipc show REF\" for one object", arg)
				}
			}
			return nil
		},
		ValidArgs: []string{"shm", "sem", "msg"},
		RunE:      func(cmd *cobra.Command, args []string) error { return runLs(cmd, args, &o) },
	}
	outputFlag(cmd, &o.format.name, formatNames...)
	f := cmd.Flags()
	f.BoolVarP(&o.format.exact, "bytes", "b", false, "sizes in bytes, not shortened")
	f.StringVarP(&o.columns, "columns", "O", "", "COLUMNS to show, with commas between them")
	f.StringVarP(&o.sort, "sort", "s", "", "COLUMN to sort by; -COLUMN for largest first")
	f.StringVar(&o.filter, "filter", "", "only objects for which CONDITION holds")
	f.BoolVar(&o.mine, "mine", false, "only objects that this user owns")
	o.owner = owner{uid: -1, gid: -1}
	f.Var(&o.owner, "owner", "only objects of this owner")
	placeholder(cmd, "COLUMNS", "columns")
	placeholder(cmd, "COLUMN", "sort")
	placeholder(cmd, "CONDITION", "filter")
	mustComplete(cmd, "columns", completeColumns)
	mustComplete(cmd, "sort", completeColumns)
	return cmd
}

func runLs(cmd *cobra.Command, args []string, o *lsOptions) error {
	kinds := kindsOf(args)
	v := newView()
	keep, err := o.condition(v)
	if err != nil {
		return err
	}
	if o.columns != "" {
		if o.format.cols, err = columnList(o.columns); err != nil {
			return err
		}
	}
	order, err := o.order(v)
	if err != nil {
		return err
	}
	all := where(list(kinds), keep)
	if order != nil {
		all = sorted(all, order)
	}
	return o.format.write(cmd, v, all)
}

// sorted yields the same objects in another order.
func sorted(all entries, order func(a, b *entry) int) entries {
	return func(yield func(*entry, error) bool) {
		var held []entry
		for e, err := range all {
			if err != nil {
				yield(nil, err)
				return
			}
			held = append(held, e.clone())
		}
		slices.SortStableFunc(held, func(a, b entry) int { return order(&a, &b) })
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
		return anyKind
	}
	return slices.DeleteFunc(slices.Clone(anyKind), func(k sysvipc.Kind) bool { return !slices.Contains(args, word(k)) })
}

// condition is what an object must meet to be listed.
func (o *lsOptions) condition(v *view) (func(*entry) bool, error) {
	filter := func(*entry) bool { return true }
	if o.filter != "" {
		f, err := parseFilter(o.filter)
		if err != nil {
			return nil, err
		}
		filter = func(e *entry) bool { return f.holds(v, e) == yes }
	}
	me := os.Geteuid()
	return func(e *entry) bool {
		return (!o.mine || e.UID == me) &&
			(o.owner.uid < 0 || e.UID == o.owner.uid) && (o.owner.gid < 0 || e.GID == o.owner.gid) &&
			filter(e)
	}, nil
}

// order returns how to sort, or nil for the kernel's order. What has no value comes last.
func (o *lsOptions) order(v *view) (func(a, b *entry) int, error) {
	if o.sort == "" {
		return nil, nil
	}
	name, down := strings.CutPrefix(o.sort, "-")
	c, err := columnNamed(strings.ToLower(name))
	if err != nil {
		return nil, err
	}
	return func(a, b *entry) int {
		x, y := c.of(v, a), c.of(v, b)
		if x.state != known || y.state != known {
			return cmp.Compare(x.state, y.state)
		}
		n := cmp.Or(cmp.Compare(x.n, y.n), strings.Compare(x.s, y.s))
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
	for _, c := range columns {
		if !slices.Contains(strings.Split(before, ","), c.name) {
			offers = append(offers, cobra.CompletionWithDesc(before+c.name, c.help))
		}
	}
	return offers, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace | cobra.ShellCompDirectiveKeepOrder
}
