// The virtual network that the app reaches everything through. With private networking, private endpoints and their DNS zones
// live in it, and a subnet for the migration job; without, its service endpoint is what the database lets in.

@description('Name of the virtual network.')
param virtualNetworkName string

@description('Name of the network security group of all subnets.')
param networkSecurityGroupName string

@description('Where the network is.')
param location string

@description('Tags of the resources.')
param tags { *: string }

@description('Address range of the network; at least a /24.')
param addressPrefix string

@description('Whether private endpoints, their DNS zones and the subnet of the migration job are made.')
param privateNetworking bool

@description('Whether the app itself has a private endpoint, so that its DNS zone is needed, too.')
param privateApi bool

@description('Resource id of the workspace that gets the diagnostics.')
param workspaceResourceId string

// /26: an instance takes addresses of it, up to 27 apart from those Azure keeps for every 40 instances.
var functionsPrefix = cidrSubnet(addressPrefix, 26, 0)
var privateEndpointsPrefix = cidrSubnet(addressPrefix, 27, 2)
// The least that an environment of Container Apps takes.
var jobsPrefix = cidrSubnet(addressPrefix, 27, 3)

var zoneNames = privateNetworking
  ? concat(
      [
        'privatelink${environment().suffixes.sqlServerHostname}'
        'privatelink.vaultcore.azure.net'
        'privatelink.blob.${environment().suffixes.storage}'
        'privatelink.queue.${environment().suffixes.storage}'
        'privatelink.table.${environment().suffixes.storage}'
      ],
      privateApi ? ['privatelink.azurewebsites.net'] : []
    )
  : []

// Without rules of its own: the default ones let the network talk to itself and nobody in from the internet.
resource networkSecurityGroup 'Microsoft.Network/networkSecurityGroups@2025-05-01' = {
  name: networkSecurityGroupName
  location: location
  tags: tags
}

#disable-next-line use-recent-api-versions // The newest that knows groups of categories.
resource networkSecurityGroupDiagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'to-workspace'
  scope: networkSecurityGroup
  properties: {
    workspaceId: workspaceResourceId
    logs: [{ categoryGroup: 'allLogs', enabled: true }]
  }
}

// Subnets stand inside the network, not as resources of their own: a later deployment would otherwise take them away and
// put them back.
resource virtualNetwork 'Microsoft.Network/virtualNetworks@2025-05-01' = {
  name: virtualNetworkName
  location: location
  tags: tags
  properties: {
    addressSpace: { addressPrefixes: [addressPrefix] }
    subnets: concat(
      [
        {
          name: 'functions'
          properties: {
            addressPrefix: functionsPrefix
            networkSecurityGroup: { id: networkSecurityGroup.id }
            delegations: [{ name: 'flex', properties: { serviceName: 'Microsoft.App/environments' } }]
            serviceEndpoints: privateNetworking
              ? []
              : [{ service: 'Microsoft.Sql' }, { service: 'Microsoft.KeyVault' }, { service: 'Microsoft.Storage' }]
          }
        }
      ],
      privateNetworking
        ? [
            {
              name: 'private-endpoints'
              properties: {
                addressPrefix: privateEndpointsPrefix
                networkSecurityGroup: { id: networkSecurityGroup.id }
                privateEndpointNetworkPolicies: 'Enabled'
                defaultOutboundAccess: false
              }
            }
            {
              name: 'jobs'
              properties: {
                addressPrefix: jobsPrefix
                networkSecurityGroup: { id: networkSecurityGroup.id }
                delegations: [{ name: 'jobs', properties: { serviceName: 'Microsoft.App/environments' } }]
              }
            }
          ]
        : []
    )
  }
}

#disable-next-line use-recent-api-versions // The newest that knows groups of categories.
resource virtualNetworkDiagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'to-workspace'
  scope: virtualNetwork
  properties: {
    workspaceId: workspaceResourceId
    metrics: [{ category: 'AllMetrics', enabled: true }]
  }
}

resource zones 'Microsoft.Network/privateDnsZones@2024-06-01' = [
  for zoneName in zoneNames: {
    name: zoneName
    location: 'global'
    tags: tags
  }
]

resource zoneLinks 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = [
  for (zoneName, index) in zoneNames: {
    parent: zones[index]
    name: 'link-${virtualNetworkName}'
    location: 'global'
    tags: tags
    properties: {
      virtualNetwork: { id: virtualNetwork.id }
      registrationEnabled: false
    }
  }
]

@description('Resource id of the subnet of the app.')
output functionsSubnetResourceId string = '${virtualNetwork.id}/subnets/functions'

@description('Resource id of the subnet of the private endpoints.')
output privateEndpointsSubnetResourceId string = '${virtualNetwork.id}/subnets/private-endpoints'

@description('Resource id of the subnet of the migration job.')
output jobsSubnetResourceId string = '${virtualNetwork.id}/subnets/jobs'
