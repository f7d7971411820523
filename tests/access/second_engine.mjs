// Answers questions of access, a JSON text a line, with the engine installed in the folder that is named.
import { createRequire } from 'node:module'
import { createInterface } from 'node:readline'

const { runSimulation } = createRequire(`${process.argv[2]}/`)('@cloud-copilot/iam-simulate')

for await (const line of createInterface({ input: process.stdin })) {
  const answer = await runSimulation(JSON.parse(line), {})
  const { resultType, overallResult: outcome, errors, result } = answer
  console.log(JSON.stringify({ resultType, outcome, errors, ignored: result?.ignoredContextKeys ?? [] }))
}
