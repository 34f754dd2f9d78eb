# From perlipc, "SysV IPC". The page makes the queue itself; here its ID is an argument.
my $id = shift;

my $sent      = "message";
my $type_sent = 1234;

msgsnd($id, pack("l! a*", $type_sent, $sent), 0)
                            || die "msgsnd failed: $!";
print "sent\n";
