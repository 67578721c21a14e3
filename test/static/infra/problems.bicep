// What the template checks, without the resources: compiling them all for each combination would take its time.
targetScope = 'subscription'

import { databaseType, scaleType } from '../../../infra/types.bicep'
import { environmentProblems, poolSize, serviceObjectives } from '../../../infra/service-objectives.bicep'

param database databaseType
param scale scaleType
param sweepSchedule string
param availabilityTest bool
param privateNetworking bool
param publicApi bool
param developerAddress string

output problems string[] = environmentProblems(
  database,
  serviceObjectives[database.serviceObjective],
  scale,
  sweepSchedule,
  availabilityTest,
  privateNetworking,
  publicApi,
  developerAddress
)
output poolSize int = poolSize(serviceObjectives[database.serviceObjective], scale)
