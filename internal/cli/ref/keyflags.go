package ref

import (
	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/cli/flags"
)

// KeyFlags choose the key of a new object.
type KeyFlags struct {
	key, ftok, name string
	private         bool
}

// Add adds the flags to a verb.
func (k *KeyFlags) Add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&k.key, "key", "", "KEY, such as 0x4d2 or 1234")
	f.StringVar(&k.ftok, "ftok", "", "key that ftok(3) makes of a file and a character or number")
	f.StringVar(&k.name, "name", "", "key that package sysvipc makes of NAME (KeyOf)")
	f.BoolVar(&k.private, "private", false, "no key: found only by its ID (the default)")
	flags.Placeholder(cmd, "KEY", "key")
	flags.Placeholder(cmd, "PATH:PROJ", "ftok")
	flags.Placeholder(cmd, "NAME", "name")
	cmd.MarkFlagsMutuallyExclusive("key", "ftok", "name", "private")
}

// Chosen returns the key, which is Private unless a flag says otherwise.
func (k *KeyFlags) Chosen(cmd *cobra.Command) (sysvipc.Key, error) {
	for _, way := range []struct{ how, what string }{{"key", k.key}, {"ftok", k.ftok}, {"name", k.name}} {
		if cmd.Flags().Changed(way.how) {
			key, err := ParseKeyAs(way.how, way.what)
			if err == nil {
				NamesOf(cmd.Context()).add(typedName{0, key, -1, way.how + "=" + way.what})
			}
			return key, err
		}
	}
	return sysvipc.Private, nil
}
