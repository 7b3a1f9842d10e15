/**
 * The manners of the programs that npm runs in a check-out (`npm run bench`, `sim`, `soak` …): what each of them takes is commander's to parse.
 *
 *   --help                  prints the usage, exit code 0
 *   a wrong command line    says what is wrong, exit code 2; nothing has been run
 */
import { Command } from "commander";

/** To be given its options and parsed. `name`: of the script in package.json. */
export function driver(name: string, description: string): Command {
  return new Command(`npm run ${name} --`)
    .description(description)
    .helpOption("-h, --help", "show this")
    .allowExcessArguments(false)
    .configureOutput({ outputError: (text, write) => write(`${name}: ${text.replace(/^error: /, "")}`) })
    .showHelpAfterError(`npm run ${name} -- --help shows what it takes`)
    .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2));
}
