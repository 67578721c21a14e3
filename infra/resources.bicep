// Everything of one environment, into a resource group that exists: main.bicep makes the group and calls this; whoever has
// rights on a group only deploys this file itself (az deployment group create).

import { alertingType, databaseType, scaleType, serviceObjectiveType, sqlAdministratorGroupType } from 'types.bicep'
import { environmentProblems, poolSize, serviceObjectives } from 'service-objectives.bicep'

@description('Name of the environment, such as dev or prod.')
@minLength(1)
@maxLength(20)
param environmentName string

@description('Where everything is.')
param location string = resourceGroup().location

@description('Tags of every resource.')
param tags { *: string } = {}

@description('Whether what holds data can be deleted.')
@allowed(['None', 'CanNotDelete'])
param lock string = 'None'

@description('The Entra group that administers the SQL server.')
param sqlAdministratorGroup sqlAdministratorGroupType

@description('The database.')
param database databaseType = { serviceObjective: 'S2', backupRedundancy: 'Local' }

@description('Name of the database.')
param databaseName string = 'agents'

@description('Size and number of the app\'s instances.')
param scale scaleType = {
  instanceMemoryMegabytes: 2048
  maximumInstanceCount: 40
  httpPerInstanceConcurrency: 100
  alwaysReady: { http: 1, sweep: 1, maintenance: 0 }
  zoneRedundant: false
}

@description('Whether database, vault and storage are reached by private endpoints only. Then the database is prepared by a job in the network.')
param privateNetworking bool = true

@description('Whether the app has an address on the internet; otherwise only a private endpoint.')
param publicApi bool = true

@description('Address range of the virtual network; at least a /24.')
param addressPrefix string = '10.40.0.0/24'

@description('Address of a developer that database and vault let in; empty for none. Not with private networking.')
param developerAddress string = ''

@description('Object id of whoever deploys, who then may write the encryption key; empty for nobody. Not needed with private networking: there the migrator writes it.')
param deployerPrincipalId string = ''

@description('What kind of principal deploys.')
@allowed(['User', 'ServicePrincipal', 'Group'])
param deployerPrincipalType string = 'User'

@description('Object id of the Entra principal (an application or managed identity) that is let in as the first admin; empty for none.')
param adminPrincipalId string = ''

@description('Whether the vault cannot be purged before 90 days are over.')
param purgeProtection bool = true

@description('Days that logs are kept.')
@minValue(30)
@maxValue(730)
param logRetentionDays int = 30

@description('The most logs that are taken in a day, in GB; -1 for no limit.')
param logDailyQuotaGigabytes int = -1

@description('Who is told of trouble, and from which figure on.')
param alerting alertingType

@description('Settings of the app that take the place of those in app-settings.json. None of them is a secret.')
param settings { *: string } = {}

@description('The image that the migration job has until the first deployment points it at its own.')
param migrationImage string = 'mcr.microsoft.com/azurelinux/base/nodejs:24'

var token = take(uniqueString(resourceGroup().id, environmentName), 8)
var base = 'agents-${environmentName}-${token}'
var compactBase = 'agents${replace(toLower(environmentName), '-', '')}${token}'
var allTags = union(
  { workload: 'agent-communication', environment: environmentName, 'azd-env-name': environmentName },
  tags
)
var packageContainerName = 'app-package'
var appIdentityName = 'id-${base}-app'
var migratorIdentityName = 'id-${base}-migrator'
var applicationInsightsName = 'appi-${base}'
var storageAccountName = take('st${compactBase}', 24)
var keyVaultName = take('kv${compactBase}', 24)
var containerRegistryName = 'cr${compactBase}'

// Checked before anything is made: all that is wrong is said at once.
var foundObjective serviceObjectiveType = serviceObjectives[?database.serviceObjective] ?? fail('database.serviceObjective: ${database.serviceObjective} is none of ${join(objectKeys(serviceObjectives), ', ')}.')
var problems = environmentProblems(
  database,
  foundObjective,
  scale,
  settings.?AGENT_SWEEP_SCHEDULE ?? loadJsonContent('app-settings.json', 'AGENT_SWEEP_SCHEDULE'),
  alerting.availabilityTest,
  privateNetworking,
  publicApi,
  developerAddress
)
var objective = empty(problems) ? foundObjective : fail(join(problems, ' '))

module identity 'modules/identity.bicep' = {
  params: {
    appIdentityName: appIdentityName
    migratorIdentityName: migratorIdentityName
    location: location
    tags: allTags
  }
}

module monitoring 'modules/monitoring.bicep' = {
  params: {
    workspaceName: 'log-${base}'
    applicationInsightsName: applicationInsightsName
    location: location
    tags: allTags
    lock: lock
    retentionDays: logRetentionDays
    dailyQuotaGigabytes: logDailyQuotaGigabytes
  }
}

module network 'modules/network.bicep' = {
  params: {
    virtualNetworkName: 'vnet-${base}'
    networkSecurityGroupName: 'nsg-${base}'
    location: location
    tags: allTags
    addressPrefix: addressPrefix
    privateNetworking: privateNetworking
    privateApi: !publicApi
    workspaceResourceId: monitoring.outputs.workspaceResourceId
  }
}

module storage 'modules/storage.bicep' = {
  params: {
    name: storageAccountName
    location: location
    tags: allTags
    lock: lock
    skuName: scale.zoneRedundant ? 'Standard_ZRS' : 'Standard_LRS'
    privateNetworking: privateNetworking
    packageContainerName: packageContainerName
    workspaceResourceId: monitoring.outputs.workspaceResourceId
  }
}

module keyVault 'modules/key-vault.bicep' = {
  params: {
    name: keyVaultName
    location: location
    tags: allTags
    lock: lock
    purgeProtection: purgeProtection
    privateNetworking: privateNetworking
    functionsSubnetResourceId: network.outputs.functionsSubnetResourceId
    developerAddress: developerAddress
    workspaceResourceId: monitoring.outputs.workspaceResourceId
  }
}

module sql 'modules/sql.bicep' = {
  params: {
    serverName: 'sql-${base}'
    databaseName: databaseName
    location: location
    tags: allTags
    lock: lock
    administratorGroup: sqlAdministratorGroup
    database: database
    objective: objective
    privateNetworking: privateNetworking
    functionsSubnetResourceId: network.outputs.functionsSubnetResourceId
    developerAddress: developerAddress
    workspaceResourceId: monitoring.outputs.workspaceResourceId
  }
}

module functions 'modules/functions.bicep' = {
  params: {
    planName: 'asp-${base}'
    appName: 'func-${base}'
    location: location
    tags: allTags
    scale: scale
    identityName: appIdentityName
    subnetResourceId: network.outputs.functionsSubnetResourceId
    publicApi: publicApi
    storageAccountName: storageAccountName
    packageContainerName: packageContainerName
    applicationInsightsName: applicationInsightsName
    keyVaultUri: keyVault.outputs.uri
    sqlServerHostName: sql.outputs.serverHostName
    databaseName: databaseName
    sqlPoolSize: poolSize(objective, scale)
    settings: settings
    workspaceResourceId: monitoring.outputs.workspaceResourceId
  }
  // The app reads its package with its roles as soon as it exists.
  dependsOn: [identity, storage, rbac]
}

module rbac 'modules/rbac.bicep' = {
  params: {
    storageAccountName: storageAccountName
    keyVaultName: keyVaultName
    applicationInsightsName: applicationInsightsName
    containerRegistryName: privateNetworking ? containerRegistryName : ''
    appIdentityName: appIdentityName
    migratorIdentityName: migratorIdentityName
    deployerPrincipalId: privateNetworking ? '' : deployerPrincipalId
    deployerPrincipalType: deployerPrincipalType
  }
  dependsOn: [identity, storage, keyVault, monitoring, migrationJob]
}

var privateTargets = privateNetworking
  ? concat(
      [
        { name: 'sql', groupId: 'sqlServer', zoneName: 'privatelink${environment().suffixes.sqlServerHostname}' }
        { name: 'kv', groupId: 'vault', zoneName: 'privatelink.vaultcore.azure.net' }
        { name: 'blob', groupId: 'blob', zoneName: 'privatelink.blob.${environment().suffixes.storage}' }
        { name: 'queue', groupId: 'queue', zoneName: 'privatelink.queue.${environment().suffixes.storage}' }
        { name: 'table', groupId: 'table', zoneName: 'privatelink.table.${environment().suffixes.storage}' }
      ],
      publicApi ? [] : [{ name: 'app', groupId: 'sites', zoneName: 'privatelink.azurewebsites.net' }]
    )
  : []

module privateEndpoints 'modules/private-endpoint.bicep' = [
  for target in privateTargets: {
    params: {
      name: 'pep-${base}-${target.name}'
      location: location
      tags: allTags
      subnetResourceId: network.outputs.privateEndpointsSubnetResourceId
      targetResourceId: target.groupId == 'sqlServer'
        ? sql.outputs.serverResourceId
        : target.groupId == 'vault'
            ? keyVault.outputs.resourceId
            : target.groupId == 'sites' ? functions.outputs.resourceId : storage.outputs.resourceId
      groupId: target.groupId
      zoneName: target.zoneName
    }
  }
]

module migrationJob 'modules/migration-job.bicep' = if (privateNetworking) {
  params: {
    registryName: containerRegistryName
    environmentName: 'cae-${base}'
    jobName: 'caj-${take(environmentName, 14)}-${token}'
    location: location
    tags: allTags
    subnetResourceId: network.outputs.jobsSubnetResourceId
    migratorIdentityName: migratorIdentityName
    appIdentityName: appIdentityName
    sqlServerHostName: sql.outputs.serverHostName
    databaseName: databaseName
    keyVaultUri: keyVault.outputs.uri
    encryptionSecretName: settings.?AGENT_ENCRYPTION_SECRET ?? loadJsonContent(
      'app-settings.json',
      'AGENT_ENCRYPTION_SECRET'
    )
    adminPrincipalId: adminPrincipalId
    image: migrationImage
    workspaceResourceId: monitoring.outputs.workspaceResourceId
  }
  dependsOn: [identity]
}

module alerts 'modules/alerts.bicep' = {
  params: {
    actionGroupName: 'ag-${base}'
    namePrefix: 'alert-${base}'
    location: location
    tags: allTags
    alerting: alerting
    title: 'Agent communication (${environmentName})'
    workspaceResourceId: monitoring.outputs.workspaceResourceId
    applicationInsightsResourceId: monitoring.outputs.applicationInsightsResourceId
    databaseResourceId: sql.outputs.databaseResourceId
    databaseHasDtu: contains(['Standard', 'Premium'], objective.sku.tier)
    keyVaultResourceId: keyVault.outputs.resourceId
    appHostName: functions.outputs.hostName
    publicApi: publicApi
  }
}

@description('Base address of the API.')
output apiUrl string = 'https://${functions.outputs.hostName}/api'

@description('Name of the function app.')
output functionAppName string = functions.outputs.name

@description('Host name of the SQL server.')
output sqlServerHostName string = sql.outputs.serverHostName

@description('Name of the database.')
output databaseName string = databaseName

@description('Address of the key vault.')
output keyVaultUri string = keyVault.outputs.uri

@description('Name of the app\'s identity: the name of its database user.')
output appIdentityName string = appIdentityName

@description('Client id of the app\'s identity.')
output appIdentityClientId string = identity.outputs.appIdentityClientId

@description('Object id of the migrator\'s identity, which the administrators\' group must contain.')
output migratorPrincipalId string = identity.outputs.migratorIdentityPrincipalId

@description('Name of the container registry of the migration job; empty without private networking.')
output containerRegistryName string = migrationJob.?outputs.registryName ?? ''

@description('Name of the migration job; empty without private networking.')
output migrationJobName string = migrationJob.?outputs.jobName ?? ''
