/** Firecracker, driven over its API socket, in the jail of its own jailer. */
@NullMarked
package dev.wrenn.vmm.firecracker;

import org.jspecify.annotations.NullMarked;
