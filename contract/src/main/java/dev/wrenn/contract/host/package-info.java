/**
 * Seam between the control plane and a host agent; a direct call in one process, an RPC between
 * machines.
 */
@NullMarked
package dev.wrenn.contract.host;

import org.jspecify.annotations.NullMarked;
