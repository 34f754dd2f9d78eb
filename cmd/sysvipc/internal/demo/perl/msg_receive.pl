# From perlipc, "SysV IPC". The page makes the queue itself; here its ID is an argument.
my $id = shift;

msgrcv($id, my $rcvd_buf, 60, 0, 0)
                            || die "msgrcv failed: $!";

my($type_rcvd, $rcvd) = unpack("l! a*", $rcvd_buf);
print "$type_rcvd $rcvd\n";
