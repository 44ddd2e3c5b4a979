/** Decides which monitor a machine gets; the only package that sees every driver. */
@NullMarked
package dev.wrenn.vmm.choice;

import org.jspecify.annotations.NullMarked;
