/** QEMU's microvm machine, driven over its monitor protocol. */
@NullMarked
package dev.wrenn.vmm.qemu;

import org.jspecify.annotations.NullMarked;
