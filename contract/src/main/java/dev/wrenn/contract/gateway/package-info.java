/** Seam between a gateway and the control plane: who may reach a capsule's ports. */
@NullMarked
package dev.wrenn.contract.gateway;

import org.jspecify.annotations.NullMarked;
