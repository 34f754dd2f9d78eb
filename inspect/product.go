package inspect

import (
	"os/user"
	"regexp"
	"strconv"
	"sync"

	"github.com/sysvipc/sysvipc"
)

// Product is a program that keeps objects over the deaths of its processes, and has a tool of its own
// to clean up after itself.
type Product struct {
	Name string
	Tool string // what to do instead of removing the object
	Sign string // by what it was recognised
}

// product is a line of the table of known products.
type product struct {
	name, tool string
	owner      pattern                                    // of the name of the owner or creator
	comm       pattern                                    // of the program of a user
	sign       func(o *Object) (because string, yes bool) // of the object itself
}

// pattern is a regular expression that is compiled at its first use: every start of a program
// that imports this package would pay for it.
type pattern func() *regexp.Regexp

func compiled(expr string) pattern {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expr) })
}

// products are those that are recognised. What an object has in itself is looked at first, of all of
// them, and then the owner's name.
var products = []product{
	{
		name:  "PostgreSQL",
		tool:  "start the server again: it removes what a crash left behind. Make sure that no postgres process of that data directory lives",
		owner: compiled(`^(postgres|pgsql|edb|enterprisedb)$`),
		comm:  compiled(`^(postgres|postmaster)$`),
		sign:  postgresSign,
	},
	{
		name: "device-mapper", tool: `look with "dmsetup udevcookies"; "dmsetup udevcomplete COOKIE" ends one`,
		sign: func(o *Object) (string, bool) {
			return "its key begins with 0x0d4d, as udev cookies do", o.Set != nil && uint32(o.Key)>>16 == 0x0d4d
		},
	},
	{
		name: referenceClock, tool: "stop gpsd and chronyd or ntpd; they make it again at the next start",
		sign: func(o *Object) (string, bool) {
			unit := uint32(o.Key) - 0x4e545030 // "NTP0"
			return "its key is that of unit " + strconv.Itoa(int(unit)) + " of NTP's clocks in shared memory, by which gpsd tells chronyd or ntpd the time",
				o.Segment != nil && unit < 256
		},
	},
	{
		name: "gpsd", tool: "stop gpsd; it makes it again at the next start",
		sign: func(o *Object) (string, bool) {
			return "its key is GPSD", o.Segment != nil && uint32(o.Key) == 0x47505344
		},
	},
	{
		name: "Informix", tool: `"onmode -ky" ends the server and removes its memory; "onclean" does so after a crash`,
		owner: compiled(`^informix$`), comm: compiled(`^oninit$`),
		sign: func(o *Object) (string, bool) {
			return "its key is SERVERNUM and 0x52564801", o.Segment != nil && (uint32(o.Key)-0x52564801)&0xff00 == 0 && uint32(o.Key)&0xff00 == 0x4800 && uint32(o.Key) > 0x52560000 && uint32(o.Key) < 0x53560000
		},
	},
	{
		name: "Oracle", tool: `"sysresv" tells which instance it belongs to, "sysresv -f" removes it`,
		owner: compiled(`^(oracle|grid|ora[a-z0-9]{3})$`), comm: compiled(`^(ora|asm)_[a-z0-9]{4}_`),
	},
	{
		name: "IBM MQ", tool: `end the queue manager with "endmqm", then "amqiclen -c -m QMGR" or "amqiclen -x" cleans up`,
		owner: compiled(`^mqm$`), comm: compiled(`^amq[a-z]{5}`),
	},
	{
		name: "SAP", tool: `"cleanipc NN remove" as the user <sid>adm, with the number of the instance`,
		owner: compiled(`^[a-z][a-z0-9]{2}adm$`), comm: compiled(`^(dw|ms|en)\.sap[A-Z0-9]{3}_`),
	},
	{
		name: "DB2", tool: `"ipclean -a" as the owner of the instance, after "db2stop"`,
		owner: compiled(`^(db2inst[0-9]+|db2fenc[0-9]+|dasusr[0-9]+)$`), comm: compiled(`^db2(sysc|fmp|wdog)`),
	},
	{
		name: "Zabbix", tool: "start its server, proxy or agent again: it removes what a crash left behind",
		owner: compiled(`^zabbix$`), comm: compiled(`^zabbix_(server|proxy|agentd)$`),
	},
}

// The size of struct PGShmemHeader, with pointers of 8 and 4 bytes: all that PostgreSQL has kept in
// System V memory since version 9.3. Until version 9.2 and where shared_memory_type is sysv it is the
// beginning of a large segment, whose owner must do.
const (
	postgresHeader   = 56
	postgresHeader32 = 40
)

// postgresMagic is PGSemaMagic, the value of the last semaphore of PostgreSQL's sets.
const postgresMagic = 537

// postgresSign recognises the segment by which a server keeps a second one away from its data, and
// sets of servers that are built to use semaphores of System V.
func postgresSign(o *Object) (string, bool) {
	switch {
	case o.Segment != nil:
		return "it has a key, mode 0600 and the size of PostgreSQL's header, " + strconv.FormatInt(o.Segment.Size, 10) + " bytes",
			(o.Key != sysvipc.Private || o.Segment.Destroyed) && o.Mode == 0o600 && (o.Segment.Size == postgresHeader || o.Segment.Size == postgresHeader32)
	case o.Set != nil && len(o.Semaphores) >= 2:
		last := len(o.Semaphores) - 1
		return "its last semaphore has PostgreSQL's magic value 537", o.Semaphores[last].Value == postgresMagic
	}
	return "", false
}

// referenceClock is the product whose segments every process may write, from unit 2 on, as its protocol wants it.
const referenceClock = "NTP reference clock"

// recognizer finds the products of objects. Names of users are looked up once.
type recognizer struct {
	names map[int]string
}

func (r *recognizer) product(o *Object) *Product {
	for i := range products {
		p := &products[i]
		if p.sign != nil {
			if because, yes := p.sign(o); yes {
				return &Product{p.name, p.tool, because}
			}
		}
	}
	for _, uid := range []int{o.UID, o.CUID} {
		name := r.name(uid)
		for i := range products {
			if p := &products[i]; p.owner != nil && name != "" && p.owner().MatchString(name) {
				return &Product{p.name, p.tool, "it belongs to user " + name}
			}
		}
	}
	for i := range o.Users {
		comm := o.Users[i].Comm()
		for j := range products {
			if p := &products[j]; p.comm != nil && comm != "" && p.comm().MatchString(comm) {
				return &Product{p.name, p.tool, "a user of it is " + o.Users[i].Process.String()}
			}
		}
	}
	return nil
}

// name returns the name of a user, or "".
func (r *recognizer) name(uid int) string {
	name, ok := r.names[uid]
	if !ok {
		if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
			name = u.Username
		}
		if r.names == nil {
			r.names = map[int]string{}
		}
		r.names[uid] = name
	}
	return name
}
