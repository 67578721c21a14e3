// For production: three availability zones, private endpoints, locks, a year of audit, backups that outlive a mistake.
using 'main.bicep'

param environmentName = readEnvironmentVariable('AZURE_ENV_NAME', 'prod')
param location = readEnvironmentVariable('AZURE_LOCATION', 'westeurope')
param lock = 'CanNotDelete'

param sqlAdministratorGroup = {
  name: readEnvironmentVariable('SQL_ADMINISTRATOR_GROUP_NAME')
  objectId: readEnvironmentVariable('SQL_ADMINISTRATOR_GROUP_ID')
}

// Premium has its replicas on local disks, so commits are fast, and spreads them over zones at no extra cost.
param database = {
  serviceObjective: 'P1'
  maxSizeGibibytes: 250
  zoneRedundant: true
  backupRedundancy: 'GeoZone'
  shortTermRetentionDays: 14
  longTermRetention: { weekly: 'P5W', monthly: 'P12M' }
}

param scale = {
  instanceMemoryMegabytes: 2048
  maximumInstanceCount: 40
  httpPerInstanceConcurrency: 100
  // Two of each in different zones, which zone redundancy has anyway.
  alwaysReady: { http: 2, sweep: 2, maintenance: 2 }
  zoneRedundant: true
}

param adminPrincipalId = readEnvironmentVariable('ADMIN_PRINCIPAL_ID', '')
param privateNetworking = true
param publicApi = true
param purgeProtection = true
param logRetentionDays = 365

param alerting = {
  emailAddresses: filter(split(readEnvironmentVariable('ALERT_EMAIL_ADDRESSES', ''), ','), address => !empty(address))
  availabilityTest: true
}
