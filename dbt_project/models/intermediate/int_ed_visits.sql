-- Emergency department visits as publications group them. One row per visit.
-- A value outside the reference is a member of its own, 'Unknown': no visit may vanish.
with counties as (
    select area
    from {{ ref('county_population') }}
    where race_ethnicity = 'Total' and area <> 'California'
),

races as (
    select race_ethnicity
    from {{ ref('county_population') }}
    where race_ethnicity <> 'Total' and area = 'California'
)

select
    visits.person_key,
    cast(year(visits.visit_month) as integer) as visit_year,
    coalesce(counties.area, 'Unknown') as county,
    {{ age_group('visits.age_years') }} as age_group,
    case visits.sex when 'F' then 'Female' when 'M' then 'Male' else 'Unknown' end as sex,
    coalesce(races.race_ethnicity, 'Unknown') as race_ethnicity,
    coalesce(conditions.condition_group, 'Unknown') as condition_group
from {{ source('limited', 'ed_visits') }} as visits
left join counties on visits.county = counties.area
left join races on visits.race_ethnicity = races.race_ethnicity
left join {{ ref('condition_groups') }} as conditions
    on visits.condition_group = conditions.condition_group
