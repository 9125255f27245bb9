-- Emergency department visits of residents. One row per county of residence, age group, sex and
-- calendar year, with every margin over the first three; people and visits, 0 or more.
with visits as (
    select person_key, visit_year, county, age_group, sex
    from {{ ref('int_ed_visits') }}
),

years as (
    select distinct visit_year from visits
),

-- A-04: no population by age and sex is published here, so the total the cell belongs to.
counties as (
    select
        area as county,
        population_count
    from {{ ref('county_population') }}
    where race_ethnicity = 'Total'
    union all
    select 'Unknown' as county, population_count
    from {{ ref('county_population') }}
    where
        area = 'California' and race_ethnicity = 'Total'
        and exists (select 1 from visits where county = 'Unknown')
),

age_groups as (
    select unnest(['0-17', '18-44', '45-64', '65 and over', 'All ages']) as age_group
    union all
    select 'Unknown' as age_group where exists (select 1 from visits where age_group = 'Unknown')
),

sexes as (
    select unnest(['Female', 'Male', 'All']) as sex
    union all
    select 'Unknown' as sex where exists (select 1 from visits where sex = 'Unknown')
),

counted as (
    select
        visit_year,
        if(grouping(county) = 1, 'California', county) as county,
        if(grouping(age_group) = 1, 'All ages', age_group) as age_group,
        if(grouping(sex) = 1, 'All', sex) as sex,
        count(*) as visit_count,
        count(distinct person_key) as person_count
    from visits
    group by visit_year, cube (county, age_group, sex)
)

select
    counties.county,
    age_groups.age_group,
    sexes.sex,
    years.visit_year,
    coalesce(counted.visit_count, 0) as visit_count,
    coalesce(counted.person_count, 0) as person_count,
    counties.population_count
from years
cross join counties
cross join age_groups
cross join sexes
left join counted
    on
        years.visit_year = counted.visit_year
        and counties.county = counted.county
        and age_groups.age_group = counted.age_group
        and sexes.sex = counted.sex
order by years.visit_year, counties.county, age_groups.age_group, sexes.sex
